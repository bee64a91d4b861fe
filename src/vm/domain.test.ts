import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDomain } from './domain.ts';

const nic = (inner: string, type = 'ethernet'): string =>
  `<interface type='${type}'><mac address='52:54:00:AA:00:01'/>${inner}<model type='virtio'/></interface>`;
const domain = (metadata: string, devices: string): string =>
  `<domain type='kvm'><name>db1</name><metadata>${metadata}</metadata><devices>${devices}</devices></domain>`;
const ports = (inner: string, prefix = 'heddle'): string =>
  `<${prefix}:ports xmlns:${prefix}='urn:heddle:libvirt'>${inner}</${prefix}:ports>`;
const tap1 = nic("<target dev='tap1' managed='no'/>");

test('a port is read with what its interface says; its name is the domain’s unless it says otherwise', () => {
  const inner = "<heddle:port tap='tap1' tenant='acme' network='web'/>";
  assert.deepEqual(parseDomain(domain(ports(inner), tap1)), [
    {
      tap: 'tap1',
      tenant: 'acme',
      network: 'web',
      port: 'db1',
      address: [],
      mac: '52:54:00:aa:00:01',
      queues: 1,
    },
  ]);
});

test('name, addresses, queues and another prefix', () => {
  const inner = "<h:port tap='tap1' tenant='acme' network='web' name='db1-a' address='10.0.0.7, fd00::7'/>";
  const xml = domain(ports(inner, 'h'), nic("<driver name='vhost' queues='4'/><target dev='tap1' managed='no'/>"));
  const [port] = parseDomain(xml);
  assert.deepEqual([port?.port, port?.address, port?.queues], ['db1-a', ['10.0.0.7', 'fd00::7'], 4]);
});

test('what others have in the metadata, and in a comment, is nobody’s port', () => {
  const port = "<heddle:port tap='tap1' tenant='acme' network='web'/>";
  assert.deepEqual(parseDomain(domain(`<!-- ${ports(port)} -->`, tap1)), []);
  assert.deepEqual(parseDomain(domain("<o:port xmlns:o='urn:other' tap='tap1'/>", tap1)), []);
  assert.deepEqual(parseDomain("<domain type='kvm'><name>db1</name></domain>"), []);
});

test('a domain that could not work is refused with the place that is wrong', () => {
  const port = (attributes: string) => ports(`<heddle:port ${attributes}/>`);
  const whole = "tap='tap1' tenant='acme' network='web'";
  const refused: [string, string, RegExp][] = [
    [port("tap='tap1' tenant='acme'"), tap1, /network/],
    [port(whole), '', /no <interface type='ethernet'>/],
    [port(whole), nic("<target dev='tap1' managed='no'/>", 'bridge'), /no <interface type='ethernet'>/],
    [port(whole), nic("<target dev='tap1'/>"), /libvirt would make tap1 itself/],
    [port(whole) + port(whole), tap1, /two ports have tap1/],
    [port(whole), '<interface', /./],
  ];
  for (const [metadata, devices, problem] of refused)
    assert.throws(() => parseDomain(domain(metadata, devices)), { code: 'INVALID', message: problem });
});

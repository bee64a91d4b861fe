import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  type Ip,
  ipBytes,
  ipText,
  linkLocal,
  macOfSlaac,
  parseIp,
  parseMac,
  parsePrefix,
  slaacAddress,
} from './address.ts';
import { hasCode } from './errors.ts';

it('reads addresses that a port can have, in canonical text', () => {
  const cases = [
    ['10.0.0.5', '10.0.0.5'],
    ['FD00:0:0::5', 'fd00::5'],
    ['169.253.255.255', '169.253.255.255'],
    ['169.255.0.0', '169.255.0.0'],
    ['223.255.255.255', '223.255.255.255'],
    ['::2', '::2'],
    ['fe7f:ffff::1', 'fe7f:ffff::1'],
    ['fec0::1', 'fec0::1'],
  ];
  for (const [text = '', ip] of cases) assert.equal(parseIp(text), ip);
});

it('refuses addresses of a special purpose, the first and the last of each', () => {
  const refused = [
    ...['0.0.0.0', '0.255.255.255', '127.0.0.0', '127.255.255.255', '169.254.0.0', '169.254.255.255'],
    ...['224.0.0.0', '239.255.255.255', '240.0.0.0', '255.255.255.255', '::', '::1', '::ffff:10.0.0.5'],
    ...['fe80::', 'fe80::1', 'febf:ffff::1', 'ff00::', 'ff02::1', 'fe80::1%eth0', '10.0.0', '010.0.0.5', 'ten'],
  ];
  for (const text of refused)
    assert.throws(
      () => parseIp(text),
      (e) => hasCode(e, 'ADDRESS_INVALID'),
      text,
    );
});

it('refuses prefixes that hold, or lie in, addresses of a special purpose', () => {
  const refused = [
    ...['0.0.0.0/8', '127.0.0.0/8', '127.1.0.0/16', '169.254.0.0/16', '169.254.7.0/24', '169.0.0.0/8', '224.0.0.0/24'],
    ...['240.0.0.0/8', '255.255.255.0/24', '::/8', '::/64', '::/127', 'fe00::/8', 'fe80::/64', 'febf::/16'],
    ...['ff00::/8', 'ff02::/64'],
  ];
  for (const text of refused)
    assert.throws(
      () => parsePrefix(text),
      (e) => hasCode(e, 'PREFIX_INVALID') && /cannot be given to ports/.test(e.message),
      text,
    );
  for (const text of ['10.0.0.0/8', '128.0.0.0/8', '168.0.0.0/8', '223.0.0.0/8', 'fd00::/8', 'fec0::/10', '::1:0/112'])
    assert.equal(parsePrefix(text).cidr, text);
});

it('proposes the prefix that was meant where host bits are set', () => {
  assert.throws(() => parsePrefix('10.1.2.3/16'), /did you mean 10\.1\.0\.0\/16\?/);
  assert.throws(() => parsePrefix('fd00::1/64'), /did you mean fd00::\/64\?/);
});

it('makes an address of a MAC and finds the MAC again, where there is one', () => {
  const mac = parseMac('52:54:00:12:34:56');
  assert.equal(linkLocal(mac), 'fe80::5054:ff:fe12:3456');
  assert.equal(slaacAddress(parsePrefix('fd00:5:0:7::/64'), mac), 'fd00:5:0:7:5054:ff:fe12:3456');
  assert.equal(macOfSlaac(parseIp('fd00:5:0:7:5054:ff:fe12:3456')), mac);
  // No such bytes in the middle; a group's; nobody's; of IPv4.
  for (const ip of ['fd00::5', 'fd00::5054:fe:fe12:3456', 'fd00::300:ff:fe00:1', 'fd00::200:ff:fe00:0', '10.0.0.5'])
    assert.equal(macOfSlaac(parseIp(ip)), undefined, ip);
});

it('gives the bytes of an address in canonical text, as they were', () => {
  const group = fc.uint8Array({ minLength: 16, maxLength: 16 });
  // Runs of zeros at every place.
  const holes = fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 }).map((bytes) => bytes.map((b) => b * 0x5a));
  fc.assert(
    fc.property(fc.oneof(group, holes, fc.uint8Array({ minLength: 4, maxLength: 4 })), (bytes) =>
      assert.deepEqual(ipBytes(ipText(bytes)), bytes),
    ),
  );
  assert.equal(ipText(new Uint8Array(16)), '::');
  for (const text of ['::ffff:192.0.2.1', '::192.0.2.1', '64:ff9b::192.0.2.1'])
    assert.deepEqual([...ipBytes(text as Ip).subarray(12)], [192, 0, 2, 1], text);
});

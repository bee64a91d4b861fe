/** The slow path with real devices: two hosts on an IPv6 underlay, a workload on each, datagrams there and back. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { configRow, indexKey, tallyKey, tallyRow } from '../../src/datapath/layouts.ts';
import { type ReasonName, reasonNumber } from '../../src/datapath/reasons.ts';
import { type BpfObject, ensureBpffs, openBpf } from '../../src/kernel/bpf.ts';
import { ip } from './frames.ts';
import { object } from './harness.ts';
import { A, linkLocal, rowsOf, type World } from './world.ts';

const netns = (name: string, ...commands: string[]): void => {
  execFileSync('ip', ['-n', name, '-batch', '-'], { input: `${commands.join('\n')}\n` });
};
const tc = (ns: string, ...args: string[]): void => {
  execFileSync('nsenter', [`--net=/run/netns/${ns}`, 'tc', ...args]);
};
const mac = (n: number) => `02:00:00:00:00:0${n}`;
const sums = (o: BpfObject, slot: number, reason: ReasonName): number => {
  const row = o.map('tally').lookup(tallyKey.encode({ slot, reason: reasonNumber.get(reason)! }));
  return row ? Number(tallyRow.decode(row).packets) : 0;
};

function makeHosts(prefix: string): void {
  for (const n of [1, 2]) for (const kind of ['h', 'w']) execFileSync('ip', ['netns', 'add', `${prefix}${kind}${n}`]);
  netns(`${prefix}h1`, `link add nic type veth peer name nic netns ${prefix}h2`);
  for (const n of [1, 2]) {
    netns(
      `${prefix}h${n}`,
      `addr add 2001:db8::${n}/64 dev nic nodad`,
      'link set nic up',
      `link add port mtu 65535 type veth peer name eth0 address ${mac(n)} mtu 1400 netns ${prefix}w${n}`,
      'link set port up',
      'link add vx type vxlan external dstport 4789 nolearning',
      'link set vx up',
    );
    netns(`${prefix}w${n}`, 'link set eth0 up', `addr add 10.0.0.${n}/24 dev eth0`);
  }
}

const ifindex = (ns: string, dev: string): number =>
  JSON.parse(execFileSync('ip', ['-n', ns, '-j', 'link', 'show', dev], { encoding: 'utf8' }))[0].ifindex;

/** Loads and fills host n's datapath, and attaches it. */
function startDatapath(prefix: string, dir: string, n: number): BpfObject {
  const ns = `${prefix}h${n}`;
  const pinDir = `${dir}/${n}`;
  const bpf = openBpf({ object, pinDir });
  const port = ifindex(ns, 'port');
  const world: World = {
    self: n,
    vtep: '0.0.0.0',
    udpPort: 4789,
    vxlanIfindex: ifindex(ns, 'vx'),
    ports: [{ ifindex: port, slot: n, vni: A, mac: mac(n), ip4: `10.0.0.${n}`, mtu: 1400 }],
    stations: [1, 2].map((m) => ({
      vni: A,
      mac: mac(m),
      ips: [`10.0.0.${m}`, linkLocal(m)],
      host: m,
      ...(m === n ? { ifindex: port, slot: n } : {}),
    })),
    routes: [],
    vteps: [{ host: 3 - n, remote: `2001:db8::${3 - n}`, fast: false, mtu: 1430 }],
  };
  const config = {
    self: n,
    vxlan_ifindex: world.vxlanIfindex,
    vtep: ip(`2001:db8::${n}`),
    udp_port: 4789,
    features: 0,
  };
  bpf.map('config').update(indexKey.encode({ index: 0 }), configRow.encode(config));
  for (const [map, key, value] of rowsOf(world, `2001:db8::${n}`)) bpf.map(map).update(key, value);
  for (const [dev, direction, program] of [
    ['port', 'ingress', 'from_port'],
    ['nic', 'ingress', 'from_underlay'],
    ['nic', 'egress', 'to_underlay'],
    ['vx', 'ingress', 'from_vxlan'],
  ] as const) {
    tc(ns, 'qdisc', 'replace', 'dev', dev, 'clsact');
    tc(ns, 'filter', 'add', 'dev', dev, direction, 'bpf', 'da', 'object-pinned', `${pinDir}/${program}`);
  }
  return bpf;
}

const echo = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, r) => s.send(m, r.port, r.address)); s.bind(7007, () => console.log('ready'));`;
const ask = `const s = require('dgram').createSocket('udp4'); let n = 0;
const again = () => s.send('ping', 7007, '10.0.0.2'); const timer = setInterval(again, 200);
s.on('message', () => { if (++n === 10) { clearInterval(timer); s.close(); console.log('done'); } else again(); }); again();`;
const inside = (ns: string, script: string) =>
  spawn('nsenter', [`--net=/run/netns/${ns}`, process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });

test('an IPv6 underlay carries datagrams on the slow path, and every one is counted as such on both hosts', {
  timeout: 60_000,
}, async () => {
  await using undo = new AsyncDisposableStack();
  const prefix = `hd-sp-${randomBytes(3).toString('hex')}-`;
  const dir = `${tmpdir()}/${prefix}fs`;
  for (const name of ['h1', 'h2', 'w1', 'w2'])
    undo.defer(() => void execFileSync('ip', ['netns', 'del', prefix + name]));
  makeHosts(prefix);
  mkdirSync(dir);
  undo.defer(() => rmSync(dir, { recursive: true }));
  ensureBpffs(dir);
  undo.defer(() => void execFileSync('umount', [dir]));
  const hosts = [1, 2].map((n) => undo.use(startDatapath(prefix, dir, n)));

  const server = inside(`${prefix}w2`, echo);
  undo.defer(() => void server.kill());
  await once(server.stdout, 'data');
  const client = inside(`${prefix}w1`, ask);
  undo.defer(() => void client.kill());
  const [code] = await once(client, 'exit');
  assert.equal(code, 0);
  for (const [i, o] of hosts.entries()) {
    assert.ok(sums(o, i + 1, 'slow_tx') >= 10);
    assert.ok(sums(o, i + 1, 'slow_rx') >= 10);
  }
});

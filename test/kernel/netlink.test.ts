import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  addressAdd,
  addressList,
  neighbourList,
  neighbourUse,
  RTPROT_HEDDLE,
  routeAdd,
  routeGet,
  routeList,
} from '../../src/kernel/ip.ts';
import {
  changeToOperational,
  linkAddVeth,
  linkAddVxlan,
  linkByName,
  linkChange,
  linkDelete,
  linkGet,
  linkList,
  linkSet,
} from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { inNetns, type Netns } from '../../src/kernel/netns.ts';
import { sysctlWrite } from '../../src/kernel/sysctl.ts';
import type { Ip, Mac } from '../../src/model/address.ts';
import type { HeddleError } from '../../src/model/errors.ts';
import { scratchNetns } from './fixture.ts';

const mac = '02:00:00:00:00:01' as Mac;
const ip = (text: string) => text as Ip;
const errno = (name: string, extack?: RegExp) => (e: HeddleError<'KERNEL'>) =>
  e.code === 'KERNEL' && e.details.errno === name && (extack === undefined || extack.test(e.details.extack ?? ''));

/** Two namespaces with a veth pair `a`–`b` between them, both ends up. */
function pair() {
  using undo = new DisposableStack();
  const here = undo.use(scratchNetns());
  const there = undo.use(scratchNetns());
  const a = linkAddVeth(here.nl, {
    name: 'a',
    alias: 'heddle:pair',
    mtuBytes: 9000,
    peer: { name: 'b', mac, mtuBytes: 1400, netns: there.ns },
  });
  const b = linkGet(there.nl, 'b');
  linkSet(here.nl, a.ifindex, { up: true });
  linkSet(there.nl, b.ifindex, { up: true });
  const all = undo.move();
  return { here, there, a, b, [Symbol.dispose]: () => all.dispose() };
}

test('a veth pair is made down, marked, and with its peer in the other namespace', () => {
  using here = scratchNetns();
  using there = scratchNetns();
  const peer = { name: 'eth0', mac, mtuBytes: 1400, netns: there.ns };
  const link = linkAddVeth(here.nl, { name: 'hd0', alias: 'heddle:x', mtuBytes: 65_535, peer });
  assert.deepEqual(
    [link.name, link.alias, link.kind, link.mtuBytes, link.up, link.carrier, link.peerNetnsId],
    ['hd0', 'heddle:x', 'veth', 65_535, false, false, 0],
  );
  const far = linkGet(there.nl, 'eth0');
  assert.deepEqual([far.mac, far.mtuBytes, far.up, far.ifindex], [mac, 1400, false, link.peerIfindex]);
  assert.equal(linkByName(here.nl, 'eth0'), undefined);
  assert.throws(() => linkAddVeth(here.nl, { name: 'hd1', alias: 'heddle:y', mtuBytes: 1500, peer }), errno('EEXIST'));
  assert.equal(linkByName(here.nl, 'hd1'), undefined);
  linkDelete(here.nl, link.ifindex);
  assert.equal(linkByName(there.nl, 'eth0'), undefined);
});

test('a VXLAN device shows its port and external mode, and a second one on the port is refused', () => {
  using here = scratchNetns();
  const want = { alias: 'heddle:vxlan', udpPort: 14_789, external: true, mtuBytes: 65_485 };
  const link = linkAddVxlan(here.nl, { name: 'hdvx0', ...want });
  assert.deepEqual([link.kind, link.vxlan, link.mtuBytes], ['vxlan', { udpPort: 14_789, external: true }, 65_485]);
  assert.throws(() => linkAddVxlan(here.nl, { name: 'hdvx1', ...want }), errno('EEXIST', /./));
  assert.equal(linkByName(here.nl, 'hdvx1'), undefined);
});

test('a link’s settings change together, and what is not given stays', () => {
  using p = pair();
  const { nl } = p.here;
  const bridge = p.here.bridge('br');
  const other = '02:00:00:00:00:77' as Mac;
  linkSet(nl, p.a.ifindex, {
    master: bridge.ifindex,
    mtuBytes: 1300,
    mac: other,
    alias: 'heddle:new',
    addrGenMode: 'none',
  });
  const changed = linkGet(nl, p.a.ifindex);
  assert.deepEqual(
    [changed.master, changed.mtuBytes, changed.mac, changed.alias, changed.name, changed.up, changed.carrier],
    [bridge.ifindex, 1300, other, 'heddle:new', 'a', true, true],
  );
  linkSet(nl, p.a.ifindex, { master: 0, up: false });
  linkSet(nl, p.a.ifindex, { name: 'renamed' });
  assert.deepEqual([linkGet(nl, 'renamed').master, linkGet(nl, 'renamed').up], [undefined, false]);
  // Up again without a link-local address: the mode was set.
  linkSet(nl, p.a.ifindex, { up: true });
  assert.deepEqual(addressList(nl, p.a.ifindex), []);
});

test('errors keep operation, errno, object and the kernel’s own words', () => {
  using p = pair();
  const { nl } = p.here;
  assert.throws(() => linkGet(nl, 'none'), {
    code: 'KERNEL',
    details: { operation: 'get', errno: 'ENODEV', object: 'link none' },
  });
  assert.throws(() => linkSet(nl, p.a.ifindex, { mtuBytes: 1 }), errno('EINVAL', /mtu/i));
  assert.throws(() => linkDelete(nl, 4711), errno('ENODEV'));
  assert.equal(linkList(nl).length, 2, 'the socket is in step after errors');
});

test('requests that are sent together run in order, and the first that is refused is what is told', () => {
  using p = pair();
  const { nl } = p.here;
  const { ifindex } = p.a;
  changeToOperational(nl, ifindex, [
    linkChange(ifindex, { up: false }),
    linkChange(ifindex, { up: true, alias: 'last' }),
  ]);
  assert.deepEqual([linkGet(nl, 'a').alias, linkGet(nl, 'a').operational], ['last', true]);
  const refused = [linkChange(4711, { up: true }), linkChange(ifindex, { mtuBytes: 1 })];
  assert.throws(() => nl.batch([...refused, linkChange(ifindex, { alias: 'behind' })]), errno('ENODEV'));
  assert.equal(linkGet(nl, 'a').alias, 'behind', 'and those behind it have run');
  assert.deepEqual(nl.batch([]), []);
  assert.equal(linkList(nl).length, 2, 'the socket is in step');
});

test('addresses are added and listed by link, with our mark and without duplicate detection', () => {
  using p = pair();
  const { nl } = p.here;
  const four = { ifindex: p.a.ifindex, ip: ip('10.9.0.1'), prefixLength: 24 };
  const six = { ifindex: p.a.ifindex, ip: ip('fd09::1'), prefixLength: 64 };
  addressAdd(nl, four);
  addressAdd(nl, four);
  addressAdd(nl, six, { nodad: true });
  const ours = addressList(nl, p.a.ifindex).filter((a) => a.protocol === RTPROT_HEDDLE);
  assert.deepEqual(ours, [
    { ...four, tentative: false, protocol: RTPROT_HEDDLE },
    { ...six, tentative: false, protocol: RTPROT_HEDDLE },
  ]);
  assert.deepEqual(addressList(nl, 1), []);
  assert.throws(() => addressAdd(nl, { ...four, ifindex: 4711 }), errno('ENODEV'));
});

test('routes are added, marked as ours, and looked up', () => {
  using p = pair();
  const { nl } = p.here;
  const oif = p.a.ifindex;
  addressAdd(nl, { ifindex: oif, ip: ip('10.9.0.1'), prefixLength: 24 });
  addressAdd(nl, { ifindex: oif, ip: ip('fd09::1'), prefixLength: 64 }, { nodad: true });
  assert.throws(() => routeGet(nl, ip('192.0.2.1')), errno('ENETUNREACH'));
  routeAdd(nl, { dst: '0.0.0.0/0', oif, gateway: ip('10.9.0.2') });
  routeAdd(nl, { dst: '::/0', oif, gateway: ip('fd09::2') });
  routeAdd(nl, { dst: '198.51.100.0/24', oif, mtuBytes: 1280, prefsrc: ip('10.9.0.1'), metric: 5 });
  routeAdd(nl, { dst: '203.0.113.0/24', oif, gateway: ip('fd09::3') });
  assert.throws(() => routeAdd(nl, { dst: '0.0.0.0/0', oif, gateway: ip('10.9.0.2') }), errno('EEXIST'));
  const path = routeGet(nl, ip('192.0.2.1'));
  assert.deepEqual([path.oif, path.gateway, path.prefsrc], [oif, '10.9.0.2', '10.9.0.1']);
  assert.equal(routeGet(nl, ip('192.0.2.1'), { source: ip('10.9.0.1') }).gateway, '10.9.0.2');
  assert.equal(routeGet(nl, ip('2001:db8::1')).gateway, 'fd09::2');
  assert.equal(routeGet(nl, ip('198.51.100.9')).mtuBytes, 1280);
  assert.equal(routeGet(nl, ip('203.0.113.9')).gateway, 'fd09::3');
  const ours = routeList(nl).filter((r) => r.protocol === RTPROT_HEDDLE);
  assert.deepEqual(ours.map((r) => `${r.dst} ${r.gateway ?? 'link'} ${r.table}`).sort(), [
    '0.0.0.0/0 10.9.0.2 254',
    '198.51.100.0/24 link 254',
    '203.0.113.0/24 fd09::3 254',
    '::/0 fd09::2 254',
  ]);
  assert.throws(() => routeAdd(nl, { dst: '192.0.2.0/24', oif, gateway: ip('172.16.0.1') }), errno('ENETUNREACH', /./));
});

test('neighbours are listed by link, and resolved by the kernel on request', async () => {
  using p = pair();
  const { nl } = p.here;
  const ifindex = p.a.ifindex;
  addressAdd(nl, { ifindex, ip: ip('10.9.0.1'), prefixLength: 24 });
  addressAdd(p.there.nl, { ifindex: p.b.ifindex, ip: ip('10.9.0.2'), prefixLength: 24 });
  const fixed = { ifindex, ip: ip('10.9.0.77'), mac };
  p.here.ip('neighbour', 'add', fixed.ip, 'lladdr', mac, 'dev', 'a');
  const find = (which: Ip) => neighbourList(nl, ifindex).find((n) => n.ip === which);
  assert.deepEqual(find(fixed.ip), { ...fixed, state: 'permanent' });
  const asked = { ifindex, ip: ip('10.9.0.2') };
  assert.equal(find(asked.ip), undefined);
  neighbourUse(nl, asked);
  const deadline = performance.now() + 5000;
  while (!find(asked.ip)?.mac && performance.now() < deadline) await new Promise(setImmediate);
  assert.deepEqual(find(asked.ip), { ...asked, mac, state: 'reachable' });
  assert.deepEqual(neighbourList(nl, 4711), []);
});

test('a sysctl is written in the other namespace and not in the own one', () => {
  using p = pair();
  const path = ['ipv6', 'conf', 'b', 'disable_ipv6'];
  const read = (ns: Netns, device: string) =>
    inNetns(ns, () => readFileSync(`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`, 'utf8').trim());
  assert.equal(read(p.there.ns, 'b'), '0');
  sysctlWrite(p.there.ns, path, 1);
  assert.equal(read(p.there.ns, 'b'), '1');
  assert.equal(read(p.here.ns, 'a'), '0');
  assert.throws(() => sysctlWrite(undefined, path, 1), errno('ENOENT'));
  assert.throws(() => sysctlWrite(p.there.ns, ['ipv6', '..', 'x'], 1), { code: 'INTERNAL' });
});

test('sockets and namespaces leave no descriptor behind', () => {
  using here = scratchNetns();
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let i = 0; i < 500; i++) {
    using nl = openNetlink(here.ns);
    linkGet(nl, 1);
  }
  assert.equal(open(), before);
});

test('a closed socket refuses requests', () => {
  const nl = openNetlink();
  nl[Symbol.dispose]();
  nl[Symbol.dispose]();
  assert.throws(() => linkGet(nl, 1), errno('EBADF'));
});

// Last: taking so many links down holds the lock that every other request waits for.
test('a dump of more links than one datagram holds comes whole', () => {
  using here = scratchNetns();
  const batch = Array.from({ length: 200 }, (_, i) => `link add br${i} type bridge`).join('\n');
  execFileSync('nsenter', [`--net=${here.path}`, 'ip', '-batch', '-'], { input: batch });
  assert.equal(linkList(here.nl).length, 201);
});

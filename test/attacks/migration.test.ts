/** A13: a guest that comes to another host, or another in its place there: who spoofs before, while and after gets nowhere. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { gatewayMac } from '../../src/model/address.ts';
import type { Host, Port } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import { TapGuest } from '../agent/tap-guest.ts';
import type { Workload } from '../agent/workload.ts';
import { arp, eth, ip4, ip6, join, mac, udp } from '../datapath/frames.ts';
import { contains, openPackets, type Packets } from '../traffic/packets.ts';

/** A workload of each host, who sees what it is given. */
interface Witness {
  readonly port: Port;
  readonly workload: Workload;
  readonly packets: Packets;
  readonly seen: Uint8Array[];
}
let rig: Rig;
const open = new DisposableStack();
const witnesses: Witness[] = [];
let hosts: Map<string, string>;

before(async () => {
  rig = await Rig.open({ hosts: 3, subnets: 2 });
  for (const host of ['h1', 'h2', 'h3']) {
    const workload = await rig.workload();
    const { port } = await rig.attach(host, { target: workload.path });
    await rig.portIs(port.id, 'up');
    witnesses.push({ port, workload, packets: open.use(openPackets(workload.path, 'eth0')), seen: [] });
  }
  hosts = new Map((await rig.client.list('host')).map(({ id, name }: Host) => [id, name]));
});
after(async () => {
  open.dispose();
  await rig?.[Symbol.asyncDispose]();
});

const has = ({ packets, seen }: Witness, mark: Uint8Array): boolean => {
  seen.push(...packets.received());
  return seen.some((frame) => contains(frame, mark));
};
/** Which of them have seen it. */
const gotBy = (mark: Uint8Array): string[] =>
  witnesses.filter((w) => has(w, mark)).map(({ workload }) => workload.name);

/** Datagrams to every witness, from a MAC and addresses. */
const datagrams = (from: string, [v4, v6]: readonly string[], mark: Uint8Array): Uint8Array[] =>
  witnesses.flatMap(({ port }) => {
    const ends = [mac(port.mac), mac(from)] as const;
    const [to4, to6] = port.addresses as readonly string[];
    return [
      eth(...ends, 0x800, ip4({ src: v4!, dst: to4! }, udp(1, 2, mark))),
      eth(...ends, 0x86dd, ip6({ src: v6!, dst: to6! }, udp(1, 2, mark))),
    ];
  });
const rarp = (of: string, mark: Uint8Array): Uint8Array =>
  eth(mac('ff:ff:ff:ff:ff:ff'), mac(of), 0x8035, join(new Uint8Array(28), mark));
const gratuitous = (ofMac: string, of: string, mark: Uint8Array): Uint8Array =>
  eth(
    mac('ff:ff:ff:ff:ff:ff'),
    mac(ofMac),
    0x806,
    join(arp({ op: 2, senderMac: mac(ofMac), senderIp: of, targetIp: of }), mark),
  );
/** As somebody, by all of its frames: what says that it is here, and datagrams. */
const as = ({ mac: of, addresses }: Pick<Port, 'mac' | 'addresses'>, mark: Uint8Array): Uint8Array[] => [
  rarp(of, mark),
  gratuitous(of, addresses[0]!, mark),
  ...datagrams(of, addresses, mark),
];
/** As everybody but the sender: each witness, the gateway, nobody at all. */
const asOthers = (mark: Uint8Array): Uint8Array[] => [
  ...witnesses.flatMap(({ port }) => as(port, mark)),
  ...as({ mac: gatewayMac, addresses: ['10.0.0.1', 'fd00:1::1'] as never }, mark),
  ...as({ mac: '02:66:00:00:00:01', addresses: ['10.0.0.66', 'fd00:1::66'] as never }, mark),
];

let names = 0;
/** A port with a guest on the first host, by a tap that was there before and outlasts the port, wired on the second. */
async function wired(guests: AsyncDisposableStack): Promise<{ made: Attached; there: Attached; first: TapGuest }> {
  const port = `vm${++names}`;
  const add = ['ip', 'tuntap', 'add', 'dev', `tap-${port}`, 'mode', 'tap'];
  await must(rig.lab.host('h1').argv(add));
  const made = await rig.attach('h1', { kind: 'tap', port, ifname: `tap-${port}` });
  const first = guests.use(await TapGuest.start(rig, 'h1', made));
  const there = await rig.attach('h2', { kind: 'tap', port, ifname: `tap-${port}`, standby: true });
  return { made, there, first };
}
const isAt = (name: string, ...want: string[]): Promise<Port> =>
  until(`${name} is at ${want}`, 10_000, async () => {
    const port = await rig.port(name);
    return String([port.host, port.standby].map((id) => hosts.get(id ?? ''))) === String(want) ? port : undefined;
  });

test('A13: who is at a standby, or beside it, is nobody before the guest comes, and as others at no time', async () => {
  await using guests = new AsyncDisposableStack();
  using sockets = new DisposableStack();
  const pair = await wired(guests);
  const other = await wired(guests);
  const { port } = pair.made;
  const mark = { hostile: randomBytes(12), stranger: randomBytes(12) };
  const on = (guest: TapGuest) => sockets.use(openPackets(guest.workload.path, 'eth0'));
  const send = (packets: Packets, ...frames: readonly Uint8Array[]) => {
    for (const frame of frames) packets.send(frame);
  };
  /** Sends as itself until every witness has seen it. */
  const heard = async (packets: Packets) => {
    const own = randomBytes(12);
    await until('its own frames arrive at all hosts', 10_000, () => {
      send(packets, ...datagrams(port.mac, port.addresses, own), ...asOthers(mark.hostile));
      return gotBy(own).length === witnesses.length ? true : undefined;
    });
  };
  const first = on(pair.first);
  await heard(first);

  // Somebody has the tap of the standby, with a MAC of its own; and the workload beside it says that it is the guest.
  const someone = { ...port, mac: '02:66:00:00:00:02', addresses: [] };
  const second = on(guests.use(await TapGuest.start(rig, 'h2', { ...pair.there, port: someone })));
  const tap = sockets.use(openPackets(rig.lab.host('h2').netns, pair.there.ifname));
  send(second, ...asOthers(mark.hostile));
  for (const { packets } of witnesses) send(packets, ...as(port, mark.stranger));
  await until('it is heard at the standby', 10_000, () =>
    tap.received().some((frame) => contains(frame, mark.hostile)) ? true : undefined,
  );
  // The control: a guest that does come has its port there, and by then those before were heard.
  const arrived = on(guests.use(await TapGuest.start(rig, 'h2', other.there)));
  send(arrived, rarp(other.made.port.mac, randomBytes(12)));
  await isAt(other.made.port.name, 'h2', 'h1');
  await isAt(port.name, 'h1', 'h2');
  await heard(first);

  // The guest comes, and both of its places spoof all the time.
  send(second, rarp(port.mac, randomBytes(12)));
  await until('its own frames arrive from there', 10_000, async () => {
    send(first, ...asOthers(mark.hostile));
    send(second, ...asOthers(mark.hostile));
    const { host } = await rig.port(port.id);
    return hosts.get(host ?? '') === 'h2' ? true : undefined;
  });
  await heard(second);

  // It has gone from there for good: whoever has the tap reaches nobody, as itself neither.
  send(first, ...asOthers(mark.hostile));
  await rig.detach('h1', port.id);
  const late = randomBytes(12);
  send(first, ...as(port, late), ...asOthers(mark.hostile));
  await heard(second);
  assert.deepEqual(gotBy(late), []);
  for (const one of Object.values(mark)) assert.deepEqual(gotBy(one), []);
  const { counters } = (await rig.client.get('port', port.id, { tenant: rig.tenant, counters: true })) as Port & {
    counters: { reasons: Record<string, number> };
  };
  assert.ok(Number(counters.reasons.src_mac) > 0);
});

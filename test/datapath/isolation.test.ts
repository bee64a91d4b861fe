import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fdbKey, neigh4Key, neigh6Key } from '../../src/datapath/layouts.ts';
import { encapsulated, eth, ip4, join, mac, read16, udp } from './frames.ts';
import { type Datapath, openDatapath } from './harness.ts';
import { type Shot, shoot, tagged } from './packets.ts';
import { placeSlots } from './places.ts';
import { openRandom, type Random } from './random.ts';
import { A, B, D, E, linkLocal, macs, type PortSpec, rowsOf, type World } from './world.ts';

const FRAMES = Number(process.env.HEDDLE_FUZZ_PACKETS ?? 100_000);
const BATCH = 2000;
const { trunk, tagged: inTrunk, segment, other, guest, came, settled } = placeSlots;
/** The tenants share a NIC with a segment of each. */
const slots = { [A]: [1, 2, 5, trunk, inTrunk, segment, guest, came, settled], [B]: [3, 4, other] } as const;
/** A router joins each tenant's two networks. */
const networks: Readonly<Record<number, readonly number[]>> = { [A]: [A, D], [B]: [B, E] };

/** Tenant B gets a second port here, so that both tenants look the same; and they are no peers. */
function twins(d: Datapath): World {
  const peering = d.world.routes.filter(({ action }) => action === 'TRANSLATED');
  for (const [map, key] of rowsOf({ ...d.world, ports: [], stations: [], vteps: [], places: [], routes: peering }))
    d.bpf.map(map).delete(key);
  const [, , , d4] = d.world.ports;
  const port = { ifindex: d4!.ifindex, slot: 4, vni: B, mac: macs.two, ip4: '10.0.0.2', ip6: 'fd00::2', mtu: 1450 };
  const station = {
    vni: B,
    mac: macs.two,
    ips: ['10.0.0.2', 'fd00::2', linkLocal(2)],
    host: 1,
    ifindex: port.ifindex,
    slot: 4,
  };
  const w = {
    ...d.world,
    ports: [...d.world.ports.slice(0, 3), port, ...d.world.ports.slice(4)],
    stations: [...d.world.stations, station],
    routes: d.world.routes.filter((route) => !peering.includes(route)),
  };
  d.fill(w);
  return w;
}
const received = (d: Datapath, vni: keyof typeof slots): number =>
  slots[vni].reduce((n, slot) => n + d.traffic(slot).rxPackets, 0);

function whole(random: Random, port: PortSpec): Shot {
  const to = random.pick([...Object.values(macs), 'ff:ff:ff:ff:ff:ff']);
  const packet = ip4(
    { src: port.ip4!, dst: `10.${random.below(2)}.0.${1 + random.below(8)}` },
    udp(1, 2, random.bytes(random.below(40) + 12)),
  );
  const frame = eth(mac(to), mac(port.mac), 0x800, packet);
  return { program: 'from_port', frame: port.vlan ? tagged(frame, port.vlan) : frame, ctx: {} };
}

function retagged(frame: Uint8Array, { vlan }: PortSpec): Uint8Array {
  const bare = read16(frame, 12) === 0x8100 ? join(frame.subarray(0, 12), frame.subarray(16)) : frame;
  return vlan ? tagged(bare, vlan) : bare;
}

/** Frames that tenant `vni` sends here, or another host sends in its VNI; the VNI of all that leaves is checked. */
function sendAs(d: Datapath, w: World, vni: number, random: Random): void {
  const ports = w.ports.filter((p) => networks[vni]!.includes(p.vni) && !p.segment);
  for (let i = 0; i < BATCH; i++) {
    const port = random.pick(ports);
    // Half of them are whole, from the port itself to any MAC, so that many are delivered.
    const { program, frame, ctx } = random.below(2) === 0 ? shoot(random, w, d.strayIfindex) : whole(random, port);
    if (program === 'to_underlay' || frame.length < 58) continue;
    if (program === 'from_port' || program === 'from_segment') {
      const nic = w.ports.some((p) => p.segment && p.ifindex === port.ifindex);
      // What is on a segment has its tag from the switch.
      const given = nic ? retagged(frame, port) : frame;
      const out = d.run(nic ? 'from_segment' : 'from_port', given, { ...ctx, ifindex: port.ifindex }).dataOut;
      if (out.length === frame.length + 50)
        assert.ok(networks[vni]!.includes(read16(out, 46) * 256 + out[48]!), 'left in another’s VNI');
      continue;
    }
    const own = random.pick(networks[vni]!);
    frame.set([(own >> 16) & 255, (own >> 8) & 255, own & 255], 46);
    d.run(program, frame, ctx);
  }
}

test('two tenants with the same addresses and MACs on the same hosts never get each other’s frames', (t) => {
  using d = openDatapath();
  const random = openRandom();
  const w = twins(d);
  for (const [from, to] of [
    [A, B],
    [B, A],
  ] as const) {
    d.resetCounts();
    for (let done = 0; done < FRAMES; done += BATCH) d.inside(() => sendAs(d, w, from, random));
    t.diagnostic(
      `seed ${random.seed}: tenant ${from}: ${received(d, from)} of ${FRAMES} frames delivered to itself, ${received(d, to)} to the other`,
    );
    assert.ok(received(d, from) > 0, 'the control: a tenant reaches its own ports');
    assert.equal(received(d, to), 0);
  }
});

test('after a network is deleted and its VNI given away, frames of the old owner reach nobody', () => {
  using d = openDatapath();
  const frameOf = (address: string, from: string) =>
    encapsulated(
      { src: '192.0.2.2', dst: '192.0.2.1', vni: A },
      eth(mac(macs.one), mac(from), 0x800, ip4({ src: address, dst: '10.0.0.1' }, udp(1, 2))),
    );
  const old = frameOf('10.0.0.3', macs.three);
  assert.equal(d.inside(() => d.run('from_underlay', old)).retval, 7, 'the control: it was delivered before');

  for (const [map, key] of [
    ['fdb', fdbKey],
    ['neigh4', neigh4Key],
    ['neigh6', neigh6Key],
  ] as const)
    for (const row of d.bpf.map(map).keys()) if (key.decode(row).vni === A) d.bpf.map(map).delete(row);
  const ports = d.world.ports.map((p) => (p.slot === 1 ? { ...p, ip4: '172.16.0.1' } : p));
  const stations = [
    { vni: A, mac: macs.one, ips: ['172.16.0.1'], host: 1, ifindex: ports[0]!.ifindex, slot: 1 },
    { vni: A, mac: macs.three, ips: ['172.16.0.3'], host: 2 },
  ];
  d.fill({ ...d.world, ports, stations });
  d.resetCounts();
  assert.equal(d.inside(() => d.run('from_underlay', old)).retval, 2);
  assert.equal(d.tallied(0, 'inner_source'), 1);
  assert.equal(d.traffic(1).rxPackets, 0);
  assert.equal(
    d.inside(() => d.run('from_underlay', frameOf('172.16.0.3', macs.three))).retval,
    7,
    'the new owner’s own arrive',
  );
});

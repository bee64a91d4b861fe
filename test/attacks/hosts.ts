/** A7, A9: what is no workload's business: the host and its services, the controller, tunnels into the underlay. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { controllerAddress } from '../../src/lab/daemons.ts';
import { until } from '../../src/lab/processes.ts';
import { be16, be32, ip4, join, udp } from '../datapath/frames.ts';
import { serve } from '../gateway/server.ts';
import { hostAddress, outside } from '../gateway/town.ts';
import { contains } from '../traffic/packets.ts';
import type { Leg } from './attacker.ts';
import { gateway, type Scene } from './scene.ts';
import {
  ACK,
  datagramTo,
  isAccepted,
  packet,
  piecesTo,
  segmentTo,
  somePort,
  untilAccepted,
} from './through-gateway.ts';

const own = hostAddress(1);
/** Every address by which a workload could mean its host. */
const ofHost = [
  ...[own.v4, '169.254.128.0', '169.254.128.2', '127.0.0.1', gateway.ip4],
  ...[own.v6, 'fd68:6564:646c::', 'fd68:6564:646c::2', '::1', gateway.ip6],
];
const servicePort = 7100;

async function noService(scene: Scene, from: Leg): Promise<void> {
  const { town } = scene;
  const { netns } = scene.stage.lab.hosts[0]!;
  using open = new DisposableStack();
  const services = ['0.0.0.0', '::'].flatMap((any) => [
    open.use(serve(netns, 'udp', any, servicePort, 'service')),
    open.use(serve(netns, 'tcp', any, servicePort, 'service')),
  ]);
  for (const any of ['0.0.0.0', '::']) open.use(serve(town.outside, 'tcp', any, servicePort, 'outside'));
  const sport = somePort();
  const mark = randomBytes(12);
  from.received();
  await from.send(
    ...ofHost.flatMap((to) => [datagramTo(from, to, servicePort, mark), segmentTo(from, to, servicePort, { sport })]),
  );
  const given = [
    ...(await untilAccepted(from, outside.v4, servicePort)),
    ...(await untilAccepted(from, outside.v6, servicePort)),
  ];
  assert.ok(!given.some((frame) => isAccepted(frame, servicePort, sport)));
  assert.deepEqual(
    services.map(({ seen }) => seen),
    [[], [], [], []],
  );
  for (const [family, from] of [
    ['v4', outside.v4],
    ['v6', outside.v6],
  ] as const)
    for (const protocol of ['udp', 'tcp'] as const)
      assert.equal(await town.ask(town.outside, protocol, own[family], servicePort), `ok service ${from}`);
  assert.deepEqual(
    services.map(({ seen }) => seen.length),
    [1, 1, 1, 1],
    'the control: it is for others',
  );
}

/** What a workload on it publishes is reached by the same addresses. */
async function noOtherHost(scene: Scene, from: Leg): Promise<void> {
  const { town, stage } = scene;
  const other = stage.lab.hosts[1]!.netns;
  const addresses = Object.values(hostAddress(2));
  const shop = scene.neighbours[1]!;
  await town.publish(shop, [{ protocol: 'tcp', port: 7111, hostPort: 7111 }]);
  using open = new DisposableStack();
  const services = ['0.0.0.0', '::'].flatMap((any) => {
    open.use(serve(shop.netns, 'tcp', any, 7111, 'shop'));
    return (['udp', 'tcp'] as const).map((protocol) => open.use(serve(other, protocol, any, servicePort, 'service')));
  });
  for (const to of addresses) await town.becomes(/^ok shop/, scene.neighbours[0]!.netns, 'tcp', to, 7111);
  const sport = somePort();
  const mark = randomBytes(12);
  await from.send(
    ...addresses.flatMap((to) => [
      datagramTo(from, to, servicePort, mark),
      segmentTo(from, to, servicePort, { sport }),
      segmentTo(from, to, servicePort, { sport, flags: ACK }),
    ]),
    ...piecesTo(from, hostAddress(2).v4, servicePort, mark),
  );
  const given: Uint8Array[] = [];
  for (const to of addresses) given.push(...(await untilAccepted(from, to, 7111)));
  assert.ok(!given.some((frame) => isAccepted(frame, servicePort, sport)));
  assert.deepEqual(
    services.map(({ seen }) => seen),
    [[], [], [], []],
  );
  for (const to of addresses)
    for (const protocol of ['udp', 'tcp'] as const)
      assert.match(
        await town.ask(town.outside, protocol, to, servicePort),
        /^ok service/,
        'the control: it is for others',
      );
  await town.publish(shop, []);
}

async function noController(scene: Scene, from: Leg): Promise<void> {
  const { hostname, port } = new URL(controllerAddress(scene.stage.lab.plan));
  using _beside = serve(scene.town.outside, 'tcp', hostname, servicePort, 'beside');
  const sport = somePort();
  await from.send(segmentTo(from, hostname, Number(port), { sport }));
  const given = await untilAccepted(from, hostname, servicePort);
  assert.ok(!given.some((frame) => isAccepted(frame, Number(port), sport)));
}

/** Sends frames, then a datagram to the outside; none of the frames leaves the host, and that does. */
export async function staysHere(scene: Scene, from: Leg, hostile: (mark: Uint8Array) => Uint8Array[]): Promise<void> {
  const marks = { hostile: randomBytes(12), legal: randomBytes(12) };
  const seen = scene.seen();
  await from.send(...hostile(marks.hostile), datagramTo(from, outside.v4, 9, marks.legal));
  await until('a datagram leaves the host', 5_000, () => {
    seen.push(...scene.seen());
    return seen.some(({ by, frame }) => by === 'wire' && contains(frame, marks.legal)) ? true : undefined;
  });
  assert.deepEqual(
    seen.filter(({ frame }) => contains(frame, marks.hostile)),
    [],
  );
}

/** IGMP, IPv4 and IPv6 in IP, GRE, OSPF, PIM, VRRP. */
const routing = [2, 4, 41, 47, 89, 103, 112];
/** VXLAN with a VNI, around a datagram. */
const tunnelled = (mark: Uint8Array): Uint8Array =>
  join(
    [8, 0, 0, 0],
    be32(0x1001 * 256),
    new Uint8Array(12),
    be16(0x800),
    ip4({ src: '10.8.0.21', dst: '10.8.0.22' }, udp(1, 2, mark)),
  );

async function noTunnel(scene: Scene, from: Leg): Promise<void> {
  const vtep = hostAddress(2);
  await staysHere(scene, from, (mark) => [
    ...[vtep.v4, vtep.v6, own.v4, outside.v4].map((to) => datagramTo(from, to, 4789, tunnelled(mark))),
    ...[vtep.v4, outside.v4].flatMap((to) => piecesTo(from, to, 4789, mark)),
  ]);
}

async function noRouter(scene: Scene, from: Leg): Promise<void> {
  const everywhere = [gateway.ip4, own.v4, hostAddress(2).v4, outside.v4, '224.0.0.5'];
  const everywhere6 = [gateway.ip6, own.v6, hostAddress(2).v6, outside.v6];
  await staysHere(scene, from, (mark) =>
    [...everywhere, ...everywhere6].flatMap((to) =>
      routing.map((protocol) => packet(from, to, protocol, join(new Uint8Array(24), mark))),
    ),
  );
}

export function hostTests(scene: Scene): void {
  const each = (name: string, check: (scene: Scene, from: Leg) => Promise<void>) => {
    for (const { what, legs } of scene.attackers) test(`${name} (from ${what})`, () => check(scene, legs.web));
  };
  each('A9: a host’s own services are not for workloads, by none of its addresses', noService);
  each('A9: nor are other hosts’, but for what workloads publish there', noOtherHost);
  each('A9: nor is the controller', noController);
  each('A8, A9: nor is the VXLAN port of any host, whole or in fragments', noTunnel);
  each('A7: nobody speaks to routers, nor through tunnels, by the gateway', noRouter);
}

/** A15: other names for what is not the sender's to reach: published ports, links between gateways, loopback. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { serve } from '../gateway/server.ts';
import { hostAddress, outside } from '../gateway/town.ts';
import type { Station } from '../traffic/stage.ts';
import type { Leg } from './attacker.ts';
import { gateway, type Scene } from './scene.ts';
import { datagramTo, isAccepted, segmentTo, somePort, untilAccepted } from './through-gateway.ts';

const own = hostAddress(1);
/** The shop's port, where it is published for some, and where for its host alone. */
const ports = { shop: 7130, published: 7131, local: 7132 };
const upTo = (n: number, address: (n: number) => string): string[] => Array.from({ length: n }, (_, i) => address(i));

/** Another tenant's workload beside the attackers, published for one client elsewhere, and on the host's loopback address. */
async function openShop(scene: Scene): Promise<Station> {
  await scene.stage.network('u', 'far', ['10.77.0.0/24', 'fd77::/64']);
  const shop = await scene.stage.attach({ host: 0, tenant: 'u', network: 'far' });
  const change = { publishFrom: [`${outside.v4}/32`, `${outside.v6}/128`] };
  await scene.stage.client.update('network', 'far', change, { tenant: 'u' });
  await scene.town.publish(
    shop,
    (['tcp', 'udp'] as const).flatMap((protocol) => [
      { protocol, port: ports.shop, hostPort: ports.published },
      { protocol, port: ports.shop, hostPort: ports.local, hostAddress: '127.0.0.1' },
    ]),
  );
  using _four = serve(shop.netns, 'tcp', '0.0.0.0', ports.shop, 'shop');
  using _six = serve(shop.netns, 'tcp', '::', ports.shop, 'shop');
  for (const address of [own.v4, own.v6])
    await scene.town.becomes(/^ok/, scene.town.outside, 'tcp', address, ports.published);
  return shop;
}

async function noOtherWay(scene: Scene, from: Leg, shop: Station): Promise<void> {
  const { town } = scene;
  using open = new DisposableStack();
  const services = ['0.0.0.0', '::'].flatMap((any) =>
    (['udp', 'tcp'] as const).map((protocol) => open.use(serve(shop.netns, protocol, any, ports.shop, 'shop'))),
  );
  open.use(serve(town.outside, 'tcp', '0.0.0.0', ports.shop, 'outside'));
  const addresses = [
    ...[shop.ip4, own.v4, '127.0.0.1', gateway.ip4, ...upTo(12, (n) => `169.254.128.${n}`)],
    ...[shop.ip6, own.v6, '::1', gateway.ip6, ...upTo(12, (n) => `fd68:6564:646c::${n.toString(16)}`)],
  ];
  const sport = somePort();
  from.received();
  await from.send(
    ...addresses.flatMap((to) =>
      Object.values(ports).flatMap((port) => [
        datagramTo(from, to, port, randomBytes(8)),
        segmentTo(from, to, port, { sport }),
      ]),
    ),
  );
  const given = await untilAccepted(from, outside.v4, ports.shop);
  for (const port of Object.values(ports)) assert.ok(!given.some((frame) => isAccepted(frame, port, sport)));
  for (const address of [own.v4, own.v6])
    for (const protocol of ['udp', 'tcp'] as const)
      assert.match(await town.ask(town.outside, protocol, address, ports.published), /^ok shop/);
  const { netns } = scene.stage.lab.hosts[0]!;
  for (const protocol of ['udp', 'tcp'] as const)
    assert.match(await town.ask(netns, protocol, '127.0.0.1', ports.local), /^ok shop/);
  const clients = services.flatMap(({ seen }) => seen);
  assert.equal(clients.length, 6, `the controls, and nobody else: ${clients}`);
}

export function aliasTests(scene: Scene): void {
  let shop: Promise<Station> | undefined;
  for (const { what, legs } of scene.attackers)
    test(`A15: no other name leads to what is published for others, nor past its allow list (from ${what})`, async () => {
      shop ??= openShop(scene);
      await noOtherWay(scene, legs.web, await shop);
    });
}

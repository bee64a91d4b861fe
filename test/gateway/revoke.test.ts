/** What a network allows no more: connections that are open, and such as begin anew between two ports that the kernel still knows. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, test } from 'node:test';
import { linkByName } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { be16, eth, ip, ip4, ip6, mac, patch, read16, tcp, upperChecksum } from '../datapath/frames.ts';
import { openPackets } from '../traffic/packets.ts';
import { serve } from './server.ts';
import { hostAddress, outside, Town } from './town.ts';

const town = await Town.open(2);
after(() => town[Symbol.asyncDispose]());
const [host, h2] = [hostAddress(1), hostAddress(2)];
const [netns1, netns2] = town.stage.lab.hosts.map((h) => h.netns) as [string, string];
const shop = await town.resident('acme', { sourceNat: false });
const neighbour = await town.stage.attach({ host: 0, tenant: 'acme', network: 'web' });
for (const any of ['0.0.0.0', '::'])
  for (const [port, name] of [
    [80, 'shop…'],
    [82, 'shop'],
  ] as const)
    after(serve(shop.netns, 'tcp', any, port, name)[Symbol.dispose]);

/** One keeps its connections, one ends them. Nobody listens on the third: it answers with RST, and the kernel keeps the connection as closed. */
const open = { protocol: 'tcp', port: 80, hostPort: 8080 } as const;
const short = { protocol: 'tcp', port: 82, hostPort: 8082 } as const;
const closed = { protocol: 'tcp', port: 81, hostPort: 8081 } as const;
const families = ['v4', 'v6'] as const;
const allow = (...from: string[]) => town.set('acme', { publishFrom: from });
const published = (yes: boolean) => town.publish(shop, yes ? [short, open, closed] : [short]);

/** Resolves when a side has said something several times on both its connections, and nobody has heard it. */
const unheard = (netns: string, port: number) =>
  until('nobody hears what two connections say', 20_000, async () => {
    const connections = await town.in(netns, 'ss', '-Htin', 'state', 'established', `dport = ${port}`);
    return connections.match(/backoff:[2-9]/g)?.length === 2 ? true : undefined;
  });

/** What opens a connection, as a frame on the wire to a host: always between the same two ports. */
function openings(from: { v4: string; v6: string }, sport: number, port: number) {
  using ns = openNetns(netns1);
  using nl = openNetlink(ns);
  const macs = [mac(linkByName(nl, 'eth0')!.mac!), mac('02:00:00:00:99:99')] as const;
  return families.map((family) => {
    const [src, dst] = [from[family], host[family]];
    const syn = patch(tcp(sport, port), 13, 2);
    const segment = patch(syn, 16, ...be16(upperChecksum(ip(src), ip(dst), 6, syn)));
    return family === 'v4'
      ? eth(...macs, 0x800, ip4({ src, dst, proto: 6 }, segment))
      : eth(...macs, 0x86dd, ip6({ src, dst, next: 6 }, segment));
  });
}
/** By whose ports the shop is asked for something. */
const askers = (frames: readonly Uint8Array[]): number[] =>
  frames.flatMap((frame) => {
    const at = read16(frame, 12) === 0x800 ? 34 : 54;
    return frame[at === 34 ? 23 : 20] === 6 ? [read16(frame, at)] : [];
  });

for (const [what, revoke, grant] of [
  ['from whom nothing is taken any more', () => allow(`${h2.v4}/32`, '2001:db8:f::2/128'), () => allow()],
  ['to what is published no more', () => published(false), () => published(true)],
] as const)
  test(`a connection ${what} is heard no more, nor is one between the same ports as one that was closed`, async () => {
    await published(true);
    for (const family of families) await town.becomes(/^ok shop/, netns2, 'tcp', host[family], short.hostPort);
    using wire = openPackets(town.outside, 'h1');
    using heard = openPackets(shop.netns, shop.ifname);
    const ports = { theirs: randomInt(20_000, 30_000), control: randomInt(30_000, 40_000) };
    const asked = (port: number) =>
      until(`${port} asks the shop in both families`, 10_000, () => {
        for (const one of askers(heard.received())) got.push(one);
        return got.filter((one) => one === port).length >= 2 ? true : undefined;
      });
    const got: number[] = [];
    const theirs = openings(outside, ports.theirs, closed.hostPort);
    const control = openings(h2, ports.control, short.hostPort);
    for (const frame of theirs) wire.send(frame);
    await asked(ports.theirs);
    const connections = [];
    for (const family of families) connections.push(await town.keep(town.outside, host[family], open.hostPort));
    await revoke();
    await unheard(town.outside, open.hostPort);
    got.length = 0;
    for (const frame of theirs) wire.send(frame);
    for (const frame of control) wire.send(frame);
    await asked(ports.control);
    assert.ok(!got.includes(ports.theirs), `${got}`);
    await grant();
    // The control: it was not over, only not allowed.
    for (const end of connections) assert.ok((await end()) > 0);
  });

test('a connection to the outside is heard no more when the network’s source NAT is taken away', async () => {
  await town.set('acme', { sourceNat: true });
  await town.opened(neighbour);
  const connections = [];
  for (const [i, any] of ['0.0.0.0', '::'].entries()) {
    after(serve(town.outside, 'tcp', any, 90, 'server…')[Symbol.dispose]);
    connections.push(await town.keep(neighbour.netns, outside[families[i]!], 90));
  }
  await town.set('acme', { sourceNat: false });
  await unheard(neighbour.netns, 90);
  await town.becomes(/^ok shop/, town.outside, 'tcp', host.v4, short.hostPort);
  await town.set('acme', { sourceNat: true });
  for (const end of connections) assert.ok((await end()) > 0);
});

/** What others do to the host's rules, and what becomes of the agent: the ways outside stay, or are back at once. And at the end nothing is left. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { linkList } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { newId } from '../../src/model/ids.ts';
import { untilEqual } from '../until-equal.ts';
import { serve } from './server.ts';
import { hostAddress, outside, Town } from './town.ts';

const town = await Town.open();
after(() => town[Symbol.asyncDispose]());
const lab = town.stage.lab;
const [h1] = lab.hosts;
const netns = h1!.netns;
const host = hostAddress(1);
const folder = `${lab.plan.dir}/h1/netns`;

/** All that gateways may leave on a host. */
async function traces(): Promise<Record<string, unknown>> {
  using ns = openNetns(netns);
  using nl = openNetlink(ns);
  const read = (...path: string[]) => town.in(netns, 'cat', `/proc/sys/net/${path.join('/')}`);
  return {
    links: linkList(nl).map((l) => l.name),
    folder: existsSync(folder) ? readdirSync(folder) : [],
    tables: (await town.in(netns, 'nft', 'list', 'tables')).split('\n').filter((t) => t.includes('heddle')),
    foreign: (await town.in(netns, 'iptables', '-S', 'FORWARD')).split('\n').filter((r) => r.includes('heddle')),
    forwarding: [await read('ipv4', 'conf', 'eth0', 'forwarding'), await read('ipv6', 'conf', 'all', 'forwarding')],
    acceptRa: await read('ipv6', 'conf', 'eth0', 'accept_ra'),
  };
}
const before = await traces();
const a = await town.resident('acme');
await town.opened(a);
for (const any of ['0.0.0.0', '::']) after(serve(a.netns, 'tcp', any, 80, 'shop')[Symbol.dispose]);
after(serve(town.outside, 'tcp', '0.0.0.0', 7200, 'hello')[Symbol.dispose]);
after(serve(town.outside, 'tcp', '0.0.0.0', 7201, 'line…')[Symbol.dispose]);
await town.publish(a, [{ protocol: 'tcp', port: 80, hostPort: 8080 }]);

const out = [a.netns, 'tcp', outside.v4, 7200] as const;
const seenOut = `ok hello ${host.v4}`;
const inward = [town.outside, 'tcp', host.v4, 8080] as const;
const seenIn = `ok shop ${outside.v4}`;
async function both(): Promise<void> {
  await town.becomes(seenOut, ...out);
  await town.becomes(seenIn, ...inward);
}

test('the rules are back within a second after somebody flushes all', async (t) => {
  await both();
  const table = () => town.in(netns, 'nft', 'list', 'table', 'inet', 'heddle').catch(() => ''); // none
  const whole = await until('the rules have settled', 5_000, async () => (await table()) || undefined);
  const began = performance.now();
  await town.in(netns, 'nft', 'flush', 'ruleset');
  await until('the table is back', 1_000, async () => ((await table()) === whole ? true : undefined));
  t.diagnostic(`after ${Math.round(performance.now() - began)} ms`);
  await both();
  // Also while they are being put back.
  await town.in(netns, 'sh', '-c', 'for n in $(seq 100); do nft flush ruleset; sleep 0.0$((n % 4)); done');
  await until('the table is back after many', 5_000, async () => ((await table()) === whole ? true : undefined));
});

test('a single rule that is taken out or put in is mended', async () => {
  const chain = () => town.in(netns, 'nft', 'list', 'chain', 'inet', 'heddle', 'input').catch(() => ''); // none
  const whole = await chain();
  for (const harm of ['flush chain inet heddle input', 'insert rule inet heddle input accept']) {
    await town.in(netns, 'nft', harm);
    await until(`${harm} is mended`, 5_000, async () => ((await chain()) === whole ? true : undefined));
  }
});

test('where another drops what it does not know to forward, as Docker does, ours is let through, and stays so', async () => {
  const mended = () =>
    until('our accept rules are there', 5_000, async () =>
      (await town.in(netns, 'iptables', '-S', 'FORWARD')).split('\n').filter((r) => r.includes('heddle')).length === 2
        ? true
        : undefined,
    );
  for (const program of ['iptables', 'ip6tables']) await town.in(netns, program, '-P', 'FORWARD', 'DROP');
  await mended();
  await both();
  await town.in(netns, 'iptables', '-F', 'FORWARD');
  await mended();
  await both();
});

test('connections live through the end of the agent, begin without it, and live through its new start', async () => {
  const end = await town.keep(a.netns, outside.v4, 7201);
  await lab.kill('h1', 'SIGKILL');
  await both();
  await lab.start('h1');
  await lab.ready('h1');
  await both();
  assert.ok((await end()) > 5);
  assert.throws(() => serve(netns, 'tcp', '0.0.0.0', 8080, 'thief'), /EADDRINUSE/, 'the port is held again');
});

test('what a killed agent left half made is mended or removed', async () => {
  await lab.kill('h1', 'SIGKILL');
  const stray = newId();
  writeFileSync(`${folder}/${stray}`, '');
  await town.in(netns, 'ip', 'link', 'delete', (await town.in(netns, 'ip', '-br', 'link')).match(/hg[0-9a-f]{13}/)![0]);
  await lab.start('h1');
  await lab.ready('h1');
  await until('the stray is gone', 5_000, () => (existsSync(`${folder}/${stray}`) ? undefined : true));
  await both();
});

test('without the program nft a host says so, and everything else works', async () => {
  const path = mkdtempSync(`${tmpdir()}/path-`);
  const saved = process.env.PATH;
  try {
    const nsenter = saved!
      .split(':')
      .map((dir) => `${dir}/nsenter`)
      .find(existsSync)!;
    symlinkSync(nsenter, `${path}/nsenter`);
    await lab.kill('h1', 'SIGTERM');
    process.env.PATH = path;
    await lab.start('h1');
    process.env.PATH = saved;
    await lab.ready('h1');
    const { gateways } = await until('the status says so', 10_000, async () => {
      const status = await town.status();
      return status.gateways.outside ? status : undefined;
    });
    assert.match(gateways.outside!, /install the package nftables/);
    await town.stage.ping(a, '10.0.0.1');
    const second = await town.stage.attach({ host: 0, tenant: 'acme', network: 'web' });
    await town.stage.ping(second, a.ip4);
    await town.stage.detach(second);
    await both();
  } finally {
    process.env.PATH = saved;
    rmSync(path, { recursive: true });
  }
  await lab.restart('h1');
  await until('it is well again', 10_000, async () => ((await town.status()).gateways.outside ? undefined : true));
});

test('after the last detach nothing is left', async () => {
  await town.stage.detach(a);
  await untilEqual(before, 8_000, traces);
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { scratchNetns } from './fixture.ts';

const kernel = new URL('../../src/kernel/', import.meta.url).pathname;

/** A process in the scratch namespace: it prints each event as a line after "ready", and ends with its input. */
function watcher(path: string, signal: AbortSignal, extra: string) {
  const program = `
    import { execFileSync } from 'node:child_process';
    import { linkGet, linkSet, linkDelete } from '${kernel}link.ts';
    import { addressAdd, routeAdd } from '${kernel}ip.ts';
    import { ensureClsact } from '${kernel}tc.ts';
    import { openNetlink } from '${kernel}netlink.ts';
    import { watchKernel } from '${kernel}watch.ts';
    const nl = openNetlink();
    const ip = (words) => execFileSync('ip', words.split(' '));
    const watch = watchKernel({ links: true, addresses: true, routes: true, neighbours: true, tc: true }, (e) => {
      console.log(JSON.stringify(e));
      if (e.kind === 'overrun') onOverrun();
    });
    let onOverrun = () => {};
    ${extra}
    process.stdin.on('end', () => watch[Symbol.dispose]()).resume();`;
  return spawn('nsenter', [`--net=${path}`, process.execPath, '--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    signal,
  });
}

/** Reads events until `enough` says so, then ends the process. */
async function eventsUntil(child: ReturnType<typeof watcher>, enough: (e: Record<string, never>) => boolean) {
  const events: Record<string, never>[] = [];
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    events.push(JSON.parse(line));
    if (enough(events.at(-1)!)) child.stdin.end();
  }
  const [code] = await closed;
  return { events, code };
}

test('changes of links, addresses, routes and neighbours arrive as events, in order', {
  timeout: 20_000,
}, async (t) => {
  using scratch = scratchNetns();
  const child = watcher(
    scratch.path,
    t.signal,
    `ip('link add name br type bridge');
     const { ifindex } = linkGet(nl, 'br');
     linkSet(nl, ifindex, { up: true });
     addressAdd(nl, { ifindex, ip: '10.8.0.1', prefixLength: 24 });
     routeAdd(nl, { dst: '10.7.0.0/24', oif: ifindex, gateway: '10.8.0.2' });
     ip('neighbour add 10.8.0.2 lladdr 02:00:00:00:00:02 dev br');
     linkDelete(nl, ifindex);`,
  );
  const { events, code } = await eventsUntil(child, (e) => e.kind === 'link' && e.action === 'delete');
  assert.equal(code, 0, 'a disposed watch lets the process end');
  const find = (kind: string, action: string, where: (e: never) => boolean) =>
    events.findIndex((e) => e.kind === kind && e.action === action && where(e as never));
  const order = [
    find('link', 'put', (e: { link: { name: string } }) => e.link.name === 'br'),
    find('address', 'put', (e: { address: { ip: string } }) => e.address.ip === '10.8.0.1'),
    find('route', 'put', (e: { route: { dst: string } }) => e.route.dst === '10.7.0.0/24'),
    find('neighbour', 'put', (e: { neighbour: { ip: string } }) => e.neighbour.ip === '10.8.0.2'),
    find('link', 'delete', (e: { link: { name: string } }) => e.link.name === 'br'),
  ];
  assert.ok(
    order.every((at) => at >= 0),
    JSON.stringify(order),
  );
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test('more notifications than the socket holds end in an overrun, after which others arrive', {
  timeout: 60_000,
}, async (t) => {
  using scratch = scratchNetns();
  // No turn of the event loop in between: the kernel's queue has to take them all.
  const flood = `ip('link add name br type bridge');
     const { ifindex } = linkGet(nl, 'br');
    for (let i = 0; i < 12_000; i++) linkSet(nl, ifindex, { mtuBytes: 1300 + (i % 100) });
    onOverrun = () => linkDelete(nl, ifindex);`;
  const { events } = await eventsUntil(
    watcher(scratch.path, t.signal, flood),
    (e) => e.kind === 'link' && e.action === 'delete',
  );
  assert.ok(events.some((e) => e.kind === 'overrun'));
});

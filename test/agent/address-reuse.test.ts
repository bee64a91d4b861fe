/** F6: an address that goes from a workload of one host to another's is that one's alone, at once. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseIp } from '../../src/model/address.ts';
import { Letters } from './letters.ts';
import { Rig } from './rig.ts';
import type { Workload } from './workload.ts';

const moves = 1000;
/** Pairs of workloads that exchange their addresses; each exchange is two moves. */
const lanes = 4;
/** Of so many workloads one dies instead of being detached. */
const deaths = 10;

const rig = await Rig.open({ hosts: 3 });
after(() => rig[Symbol.asyncDispose]());

interface Place {
  readonly host: string;
  readonly workload: Workload;
  readonly box: Disposable;
}

test('addresses move between hosts 1,000 times while letters go to them, and none reaches a wrong workload', async (t) => {
  const before = await rig.quietTrace('h1');
  await using all = new AsyncDisposableStack();
  const letters = all.use(new Letters());
  const stay: { host: string; port: string }[] = [];
  for (const host of ['h1', 'h3']) {
    const { path } = all.use(await rig.workload());
    stay.push({ host, port: (await rig.attach(host, { target: path })).port.id });
    await letters.sendFrom(path);
  }
  const open = async (host: string): Promise<Place> => {
    const workload = all.use(await rig.workload());
    return { host, workload, box: await letters.readAt(workload.name, workload.path) };
  };

  const exchange = async (lane: number): Promise<void> => {
    const addresses = [0, 1].map((i) => parseIp(`10.0.0.${100 + 2 * lane + i}`));
    let places = [await open('h1'), await open('h2')];
    for (let turn = 0; turn < moves / 2 / lanes; turn++) {
      const owners = await Promise.all(
        places.map(async ({ host, workload }, i) => {
          const ip = addresses[(i + turn) % 2]!;
          const { port } = await rig.attach(host, { target: workload.path, addresses: [ip] });
          await letters.answer(letters.address(ip, [workload.name]));
          return { ip, port: port.id };
        }),
      );
      const next = await Promise.all(places.map((p, i) => ((turn + i * 5) % deaths === 0 ? open(p.host) : p)));
      // What is sent from now on may come to one that was or one that will be, but to nobody else.
      const may = [...places, ...next].map(({ workload }) => workload.name);
      for (const { ip } of owners) letters.address(ip, may);
      await Promise.all(
        places.map(async ({ host, workload, box }, i) => {
          if (next[i]!.workload !== workload) {
            box[Symbol.dispose]();
            await workload.remove();
          }
          await rig.detach(host, owners[i]!.port);
        }),
      );
      places = next;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => exchange(lane)));

  assert.deepEqual([...letters.misdelivered], []);
  assert.ok(letters.delivered > 2 * moves);
  t.diagnostic(`${letters.delivered} of ${letters.sent} letters delivered`);
  for (const { host, port } of stay) await rig.detach(host, port);
  await rig.back('h1', before);
});

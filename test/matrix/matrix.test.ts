/**
 * Every kind of workload reaches every other: on the same host and another, in the same subnet and through a router, by IPv4
 * and IPv6. Each server has a twin, another tenant's workload on the same host with the same name, addresses and MAC.
 */
// exclusive: emulates three machines at once
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Port } from '../../src/model/kinds.ts';
import { type Answers, askAll, type Check, checks, families, keyOf } from './asking.ts';
import type { Cast } from './cast.ts';
import { kinds } from './kinds.ts';
import { clientIn, serverIn } from './namespaces.ts';
import { type Cell, cellName, placeOf, tableOf } from './table.ts';
import { type Leg, Town, tenants } from './town.ts';

let town: Town;
let cells: Cell[];
/** What the other tenant's client was told by the twins. */
let twins: { legs: Leg[]; answers: Answers };
/** One of the own tenant that says it is of the other, and what it made of that. */
let stray: { heard: string; answers: Answers };

before(async () => {
  town = await Town.open();
  const casts = new Map<string, Cast>();
  await Promise.all(kinds.map(async ({ name, open }) => casts.set(name, await open(town))));
  const all = [...casts.values()];
  const legs = all.flatMap(({ servers, beside = [] }) => [...servers, ...beside]);
  const wanted = { name: 'stray', host: 'h2', side: 'left' } as const;
  const strayLeg = { ...wanted, machine: 'stray', heard: await serverIn(town, 'stray', wanted, tenants.other) };
  const names = ['stray', ...legs.map(({ name }) => name), ...all.map(({ client }) => client.port)];
  const ports = new Map(
    await Promise.all(names.map(async (name) => [name, await town.port(tenants.own, name)] as const)),
  );

  const twinLegs = await Promise.all(legs.map((leg) => twinOf(leg, ports.get(leg.name)!)));
  const { addresses, mac } = ports.get('namespace')!;
  const place = { name: 'namespace', host: 'h1', side: 'left', tenant: tenants.other };
  const twinClient = await clientIn(town, { ...place, addresses, mac });
  const [other, ...own] = await Promise.all([
    askAll(twinClient, twinLegs, ports, tenants.other),
    ...kinds.map(async ({ name }) => [name, await askAll(casts.get(name)!.client, legs, ports, tenants.own)] as const),
  ]);
  twins = { legs: twinLegs, answers: other };
  const { client } = casts.get('namespace')!;
  stray = { answers: await askAll(client, [strayLeg], ports, tenants.own), heard: strayLeg.heard() };

  const heard = new Map<Leg, string>();
  for (const leg of [...legs, ...twinLegs]) heard.set(leg, await leg.heard());
  const answers = new Map(own);
  cells = kinds.flatMap(({ name: client }) =>
    kinds.flatMap(({ name: server }) =>
      casts.get(server)!.servers.flatMap((wanted) => {
        const isSelf = wanted.machine === casts.get(client)!.client.machine;
        const leg = isSelf ? besideOf(casts.get(server)!, wanted) : wanted;
        const twin = twinLegs.find(({ name }) => name === leg.name)!;
        return families.map((family) => {
          const key = keyOf(leg, family);
          const wrong = (check: Check) =>
            check === 'alone'
              ? `${heard.get(leg)}${heard.get(twin)}` || 'ok'
              : answers.get(client)?.get(`${key} ${check}`);
          return { client, server, place: placeOf(leg), family, failed: failures(wrong) };
        });
      }),
    ),
  );
});
after(() => town?.[Symbol.asyncDispose]());

/** One at the same place that is not the client itself. */
const besideOf = ({ beside = [] }: Cast, { host, side }: Leg): Leg =>
  beside.find((leg) => leg.host === host && leg.side === side)!;

/** The checks that failed, and why. */
const failures = (of: (check: Check) => string | undefined): string[] =>
  (Object.keys(checks) as Check[]).flatMap((check) => {
    const result = of(check) ?? 'not told';
    return result === 'ok' ? [] : [`${check}: ${result}`];
  });

/** The other tenant's workload with a port's name, addresses and MAC. */
async function twinOf({ name, host, side }: Leg, { addresses, mac }: Port): Promise<Leg> {
  const machine = `twin-of-${name}`;
  const wanted = { name, host, side, tenant: tenants.other, addresses, mac };
  return { name, machine, host, side, heard: await serverIn(town, machine, wanted) };
}

for (const client of kinds)
  for (const server of kinds)
    test(`a ${client.name} reaches a ${server.name} wherever it is, and not its twin`, () => {
      const of = cells.filter((cell) => cell.client === client.name && cell.server === server.name);
      assert.equal(of.length, 8);
      const failed = of.flatMap((cell) => cell.failed.map((what) => `${cellName(cell)}: ${what}`));
      assert.deepEqual(failed, []);
    });

test('the other tenant’s twins are there, and answer their own', () => {
  const asked = (Object.keys(checks) as Check[]).filter((check) => check !== 'alone');
  const wrong = twins.legs.flatMap((leg) =>
    families.flatMap((family) =>
      asked.map((check) => `${keyOf(leg, family)} ${check}: ${twins.answers.get(`${keyOf(leg, family)} ${check}`)}`),
    ),
  );
  assert.deepEqual(
    wrong.filter((line) => !line.endsWith(': ok')),
    [],
  );
});

test('who hears of the other tenant, or answers as another, is found', () => {
  for (const family of families) assert.match(stray.answers.get(`stray/${family} tcp`) ?? '', /tenant b;.* answered/);
  assert.match(stray.heard, /^(a frame of \d+ bytes of tenant a\n)+$/);
});

test('the table', (t) => {
  for (const line of tableOf(cells)) t.diagnostic(line);
});

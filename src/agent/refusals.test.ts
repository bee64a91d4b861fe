/** What a host refuses by itself, on its way to the controller. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { HeddleError } from '../model/errors.ts';
import { type HostRefusal, type HostRefusals, refusalLimits } from '../model/refusals.ts';
import { Refusals, refusalBounds } from './refusals.ts';
import { notNow } from './test-refusals.ts';

const away = new HeddleError('CONTROLLER_UNREACHABLE', { address: 'unix:/x', problem: 'no' });
const refusal = { who: 'bob', asked: 'GET /x', why: 'not his', code: 'ENGINE_FORBIDDEN' } as const;

/** A controller that takes what it is told, or does not. */
function rig(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked: { path: string; body: HostRefusals }[] = [];
  const logged: string[] = [];
  const world = { problem: undefined as Error | undefined, held: undefined as Promise<void> | undefined, ms: 0 };
  const refusals = new Refusals({
    client: {
      async request(_method, path, options) {
        asked.push({ path, body: structuredClone(options?.body) as HostRefusals });
        await world.held;
        if (world.problem) throw world.problem;
        return undefined;
      },
    },
    thisHost: { ref: 'id-of-h1' },
    log: { warn: (_: unknown, text?: string) => void logged.push(text ?? '') },
    now: () => new Date('2026-01-31T08:00:00Z'),
    elapsed: () => world.ms,
  });
  /** After so many milliseconds, and all that comes of it. */
  const after = async (ms: number) => {
    t.mock.timers.tick(ms);
    for (let i = 0; i < 10; i++) await turn();
  };
  /** As many different ones ask. */
  const note = (count: number, more: Partial<HostRefusal> = {}) => {
    for (let i = 0; i < count; i++) refusals.note({ ...refusal, who: `user ${i}`, ...more });
  };
  const told = () => asked.map(({ body }) => [body.items.length, body.more ?? 0]);
  return Object.assign(refusals, { asked, logged, world, after, bulk: note, told });
}

test('what is refused within a second is told together, once', async (t) => {
  using refusals = rig(t);
  refusals.begin();
  refusals.note(refusal);
  await refusals.after(500);
  refusals.note({ ...refusal, who: 'carol', code: 'FORBIDDEN' });
  assert.deepEqual(refusals.asked, [], 'nobody waits for it');
  await refusals.after(500);
  const at = '2026-01-31T08:00:00.000Z';
  const items = [
    { at, ...refusal },
    { at, ...refusal, who: 'carol', code: 'FORBIDDEN' },
  ];
  assert.deepEqual(refusals.asked, [{ path: '/v1/hosts/id-of-h1/refusals', body: { items } }]);
  await refusals.after(100_000);
  assert.equal(refusals.asked.length, 1);
});

test('what is refused while the controller is away is told when it is back; beyond so many, how many', async (t) => {
  using refusals = rig(t);
  const { waiting } = refusalBounds;
  refusals.bulk(waiting + 7);
  await refusals.after(100_000);
  assert.deepEqual(refusals.told(), []);
  refusals.begin();
  for (let i = 0; i < 5; i++) await refusals.after(1_000);
  const { items } = refusalLimits;
  assert.deepEqual(refusals.told(), [
    [items, 7],
    [waiting - items, 0],
  ]);
  assert.deepEqual(
    refusals.asked.flatMap(({ body }) => body.items.map(({ who }) => who)),
    Array.from({ length: waiting }, (_, i) => `user ${i}`),
    'in their order',
  );
  refusals.end();
  refusals.bulk(1);
  await refusals.after(100_000);
  assert.equal(refusals.asked.length, 2, 'it is away again');
});

test('who is refused without end hides nothing that others are refused', async (t) => {
  using refusals = rig(t);
  refusals.begin();
  refusals.bulk(1_000, { who: 'mallory' });
  refusals.note(refusal);
  await refusals.after(1_000);
  const { burst } = refusalBounds.each;
  assert.deepEqual(refusals.told(), [[burst + 1, 1_000 - burst]]);
  assert.equal(refusals.asked[0]?.body.items.at(-1)?.who, 'bob');
});

test('while the controller is away for 20 minutes nobody hides another’s by his own, by one name or by ten', async (t) => {
  using refusals = rig(t);
  const { waiting, each } = refusalBounds;
  const names = ['mallory', ...Array.from({ length: 10 }, (_, i) => `alias ${i}`)];
  const bob = { who: 'bob', asked: 'DELETE /x' };
  refusals.bulk(1, bob);
  for (let second = 1; second <= 1_200; second++) {
    refusals.world.ms = second * 1_000;
    for (const who of names) refusals.bulk(1, { who });
    if (second % 400 === 0) refusals.bulk(1, bob);
  }
  refusals.begin();
  for (let i = 0; i < 5; i++) await refusals.after(1_000);
  const items = refusals.asked.flatMap(({ body }) => body.items);
  assert.equal(items.length, waiting);
  assert.equal(
    refusals.told().reduce((sum, [told, more]) => sum + told! + more!, 0),
    1_200 * names.length + 4,
  );
  assert.ok(each.burst + 1_200 * each.perSecond > waiting, 'one of them alone had filled it');
  const of = (name: string) => items.filter(({ who }) => who === name).length;
  assert.equal(of('bob'), 4);
  for (const name of names) assert.ok(Math.abs(of(name) - (waiting - 4) / names.length) <= 1, name);
});

test('as many names as wait hide what comes after them, and nothing that was before', async (t) => {
  using refusals = rig(t);
  refusals.note(refusal);
  refusals.bulk(2 * refusalBounds.waiting);
  refusals.note({ ...refusal, who: 'carol' });
  refusals.begin();
  for (let i = 0; i < 5; i++) await refusals.after(1_000);
  const names = refusals.asked.flatMap(({ body }) => body.items.map(({ who }) => who));
  assert.deepEqual([names.indexOf('bob'), names.indexOf('carol'), names.length], [0, -1, refusalBounds.waiting]);
});

test('what is being told is not counted instead', async (t) => {
  using refusals = rig(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  const { waiting } = refusalBounds;
  refusals.world.held = promise;
  refusals.begin();
  const first = refusalLimits.items / 5;
  for (let i = 0; i < 5; i++) refusals.bulk(first, { who: `user ${i}` });
  await refusals.after(1_000);
  refusals.bulk(waiting);
  resolve();
  for (let i = 0; i < 5; i++) await refusals.after(1_000);
  assert.deepEqual(
    refusals.asked[1]?.body.items.map(({ who }) => who),
    Array.from({ length: waiting - refusalLimits.items }, (_, i) => `user ${i + 5}`),
  );
  assert.deepEqual(refusals.told(), [
    [refusalLimits.items, 0],
    [waiting - refusalLimits.items, waiting - refusalLimits.items],
  ]);
});

test('what the controller cannot take now is told again, with what has come meanwhile; it is logged once', async (t) => {
  using refusals = rig(t);
  refusals.begin();
  for (const problem of [away, new HeddleError('RATE_LIMITED', { what: 'write', perSecond: 1, retryAfterMs: 1 })]) {
    refusals.world.problem = problem;
    refusals.note(refusal);
    await refusals.after(1_000);
    await refusals.after(14_999);
    assert.equal(refusals.asked.length, 1, 'not at once');
    await refusals.after(1);
    for (let i = 0; i < 2; i++) await refusals.after(15_000);
    assert.equal(refusals.logged.length, 1);
    refusals.note({ ...refusal, who: 'carol' });
    refusals.world.problem = undefined;
    await refusals.after(15_000);
    assert.deepEqual(refusals.told(), [
      [1, 0],
      [1, 0],
      [1, 0],
      [1, 0],
      [2, 0],
    ]);
    for (const list of [refusals.asked, refusals.logged]) list.length = 0;
  }
});

test('what comes while it is told, or while the stream is lost and back, is told after it, and nothing twice', async (t) => {
  using refusals = rig(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  refusals.world.held = promise;
  refusals.begin();
  refusals.note(refusal);
  await refusals.after(1_000);
  refusals.end();
  refusals.begin();
  refusals.note({ ...refusal, who: 'carol' });
  await refusals.after(10_000);
  assert.equal(refusals.asked.length, 1);
  resolve();
  await refusals.after(0);
  await refusals.after(1_000);
  assert.deepEqual(
    refusals.asked.map(({ body }) => body.items.map(({ who }) => who)),
    [['bob'], ['carol']],
  );
});

test('of a batch that has an item which is none to the controller it is told how many, once', async (t) => {
  using refusals = rig(t);
  refusals.begin();
  refusals.world.problem = new HeddleError('INVALID', { field: 'items/0/at', problem: 'x' });
  refusals.bulk(3);
  refusals.bulk(refusalBounds.each.burst + 1, { who: 'mallory' });
  await refusals.after(1_000);
  const items = 3 + refusalBounds.each.burst;
  const told = [
    [items, 1],
    [0, items + 1],
  ];
  for (let i = 0; i < 5; i++) await refusals.after(15_000);
  assert.deepEqual(refusals.told(), told);
});

test('what it refuses for good is not told again, and a controller without the route is told nothing more', async (t) => {
  using refusals = rig(t);
  refusals.begin();
  const [invalid, forbidden] = [new HeddleError('INVALID', { field: 'items', problem: 'x' }), notNow.at(-2)!];
  for (const problem of [invalid, forbidden]) {
    refusals.world.problem = problem;
    refusals.note(refusal);
    await refusals.after(1_000);
  }
  await refusals.after(100_000);
  assert.deepEqual(refusals.told(), [
    [1, 0],
    [1, 1],
  ]);
  refusals.world.problem = new HeddleError('ROUTE_UNKNOWN', { method: 'POST', path: '/x' });
  refusals.bulk(refusalBounds.waiting + 1);
  await refusals.after(1_000);
  refusals.bulk(9);
  for (let i = 0; i < 5; i++) await refusals.after(15_000);
  assert.deepEqual([refusals.asked.length, refusals.logged.length], [3, 3]);
  refusals.end();
  refusals.world.problem = undefined;
  refusals.begin();
  refusals.note(refusal);
  await refusals.after(1_000);
  assert.deepEqual(refusals.told().at(-1), [1, 0], 'after an upgrade it has one');
});

test('texts may be anything: what is not seen is told as a question mark, and what is too long is cut', async (t) => {
  using refusals = rig(t);
  refusals.begin();
  const { whoChars, askedChars, whyChars } = refusalLimits;
  const odd = (chars: number) => `a\n\u202e\u0000${'x'.repeat(chars - 5)}\u{1f578}\u{1f578}`;
  refusals.note({ ...refusal, who: odd(whoChars), asked: odd(askedChars), why: '' });
  refusals.note({ ...refusal, who: '__proto__', why: odd(whyChars) });
  await refusals.after(1_000);
  const [first, second] = refusals.asked[0]!.body.items;
  const cut = (chars: number) => `a???${'x'.repeat(chars - 5)}?`;
  assert.deepEqual([first?.who, first?.asked, first?.why], [cut(whoChars), cut(askedChars), '-']);
  assert.deepEqual([second?.who, second?.why], ['__proto__', cut(whyChars)]);
});

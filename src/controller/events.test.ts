import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Events } from './events.ts';

const now = () => new Date('2026-11-22T10:00:00Z');
const noted = (object: string, tenant?: string) =>
  ({ type: 'created', kind: 'port', object, name: object, ...(tenant && { tenant }), text: 'made' }) as const;
const open = (limits: { perObject: number; perTenant: number; inAll: number }) => new Events({ now, limits });
const ids = (events: Iterable<{ id: string }>) => [...events].map(({ id }) => Number(id));

test('events have ids that rise, the time, and the severity of their type', () => {
  const events = open({ perObject: 9, perTenant: 9, inAll: 9 });
  events.note(noted('a'));
  events.note({ ...noted('a'), type: 'failed', code: 'KERNEL' });
  assert.deepEqual(
    [...events.after(0)].map(({ id, at, severity }) => [id, at, severity]),
    [
      ['1', '2026-11-22T10:00:00.000Z', 'info'],
      ['2', '2026-11-22T10:00:00.000Z', 'warning'],
    ],
  );
  assert.deepEqual(ids(events.after(1)), [2]);
  assert.deepEqual([events.counts.get('failed'), events.kept], [1, 2]);
});

test('an object that is never still loses its own events, and nobody else’s', () => {
  const events = open({ perObject: 2, perTenant: 99, inAll: 99 });
  events.note(noted('quiet', 't'));
  for (let i = 0; i < 50; i++) events.note(noted('loud', 't'));
  assert.deepEqual(ids(events.after(0)), [1, 50, 51]);
});

test('a tenant with many objects loses its own, and not the neighbour’s', () => {
  const events = open({ perObject: 9, perTenant: 3, inAll: 99 });
  events.note(noted('other', 'b'));
  for (let i = 0; i < 50; i++) events.note(noted(`p${i}`, 'a'));
  assert.deepEqual(ids(events.after(0)), [1, 49, 50, 51]);
  assert.deepEqual(ids(events.after(0, 'b')), [1]);
});

test('whatever is noted, what is kept is what the bounds leave, in order', () => {
  const limits = { perObject: 2, perTenant: 4, inAll: 7 };
  const object = fc.record({ tenant: fc.constantFrom('a', 'b', 'c'), object: fc.constantFrom('1', '2', '3') });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 200 }), (steps) => {
      const events = open(limits);
      let model: { id: number; object: string; tenant: string }[] = [];
      for (const [i, { tenant, object }] of steps.entries()) {
        const name = `${tenant}${object}`;
        events.note(noted(name, tenant));
        model.push({ id: i + 1, object: name, tenant });
        for (const [of, most] of [
          [(e: (typeof model)[0]) => e.object === name, limits.perObject],
          [(e: (typeof model)[0]) => e.tenant === tenant, limits.perTenant],
          [() => true, limits.inAll],
        ] as const) {
          const row = model.filter(of);
          if (row.length > most) model = model.filter((e) => e !== row[0]);
        }
      }
      assert.deepEqual(
        ids(events.after(0)),
        model.map(({ id }) => id),
      );
      assert.equal(events.kept, model.length);
      for (const tenant of ['a', 'b', 'c'])
        assert.deepEqual(
          ids(events.after(0, tenant)),
          model.filter((e) => e.tenant === tenant).map(({ id }) => id),
        );
      const middle = steps.length >> 1;
      assert.deepEqual(
        ids(events.after(middle)),
        model.map(({ id }) => id).filter((id) => id > middle),
      );
    }),
  );
});

test('who waits for news hears of the next, and what went before the oldest that is kept is known', async () => {
  const events = open({ perObject: 9, perTenant: 9, inAll: 2 });
  const { news } = events;
  for (let i = 0; i < 5; i++) events.note(noted(`p${i}`));
  await news;
  assert.deepEqual([events.lostAfter(0), events.lostAfter(2), events.lostAfter(3), events.lostAfter(5)], [3, 1, 0, 0]);
});

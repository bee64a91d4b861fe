import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EventReader } from './event-reader.ts';
import { Events } from './events.ts';

const now = () => new Date('2026-11-22T10:00:00Z');
const noted = (object: string, tenant?: string) =>
  ({ type: 'created', kind: 'port', object, name: object, ...(tenant && { tenant }), text: 'made' }) as const;
const open = (limits: { perObject: number; perTenant: number; inAll: number }) => new Events({ now, limits });
const take = (reader: EventReader) => {
  const { lost, events } = reader.take(9);
  return { lost, ids: ids(events) };
};
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

test('who waits for news hears of the next', async () => {
  const events = open({ perObject: 9, perTenant: 9, inAll: 2 });
  const { news } = events;
  events.note(noted('p'));
  await news;
});

test('a reader of all hears how many went before it came to them', () => {
  const events = open({ perObject: 9, perTenant: 9, inAll: 2 });
  for (let i = 0; i < 5; i++) events.note(noted(`p${i}`));
  const lost = [1, 2, 3, 5, 99].map((after) => events.reader({ after, tenants: undefined }).take(9).lost);
  assert.deepEqual(lost, [2, 1, 0, 0, 0]);
  const reader = events.reader({ after: 0, tenants: undefined });
  assert.deepEqual(take(reader), { lost: 0, ids: [4, 5] });
  for (let i = 0; i < 3; i++) events.note(noted(`q${i}`));
  assert.deepEqual(take(reader), { lost: 1, ids: [7, 8] });
});

test('a reader of one tenant hears nothing of how much others do, also where it reads what concerns it of them', () => {
  const events = open({ perObject: 9, perTenant: 9, inAll: 4 });
  events.note(noted('mine', 'a'));
  const [reader, wide] = [false, true].map((wide) => events.reader({ after: 1, tenants: ['a'], wide }));
  for (let i = 0; i < 50; i++) events.note(noted(`p${i}`, 'b'));
  assert.deepEqual(take(reader!), { lost: 0, ids: [] });
  events.note(noted('mine', 'a'));
  for (let i = 0; i < 50; i++) events.note(noted(`q${i}`, 'b'));
  assert.deepEqual(take(reader!), { lost: 1, ids: [] });
  assert.deepEqual(take(wide!), { lost: 1, ids: [99, 100, 101, 102] });
  // One who comes back may have missed both.
  assert.equal(events.reader({ after: 1, tenants: ['a'] }).take(9).lost, 2);
  assert.equal(events.reader({ after: 52, tenants: ['a'] }).take(9).lost, 0);
});

test('of a tenant that is gone nothing is kept when its events are', () => {
  const events = open({ perObject: 9, perTenant: 9, inAll: 1 });
  events.note({ ...noted('t', 't'), kind: 'tenant', type: 'deleted' });
  const reader = events.reader({ after: 0, tenants: ['t'] });
  events.note(noted('p', 'b'));
  assert.deepEqual(take(reader), { lost: 0, ids: [] });
});

test('whatever is noted, and whenever a reader looks, it has read each event once or heard that it is lost', () => {
  const limits = { perObject: 2, perTenant: 4, inAll: 7 };
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ tenant: fc.constantFrom('a', 'b'), object: fc.constantFrom('1', '2', '3') }) },
    { weight: 1, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 5 }) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.array(step, { maxLength: 100 }), (before, steps) => {
      for (const tenant of ['a', undefined]) {
        const events = open(limits);
        let count = 0;
        const note = (s: { tenant: string; object: string }) => {
          events.note(noted(`${s.tenant}${s.object}`, s.tenant));
          if (tenant === undefined || s.tenant === tenant) count++;
        };
        for (const s of before) if ('tenant' in s) note(s);
        const kept = ids(events.after(0, tenant));
        count = kept.length;
        const reader = events.reader({ after: 0, tenants: tenant === undefined ? undefined : [tenant] });
        const read: number[] = [];
        let lost = 0;
        for (const s of [...steps, { take: 99 }]) {
          if ('tenant' in s) note(s);
          else {
            const taken = reader.take(s.take);
            read.push(...ids(taken.events));
            lost += taken.lost;
          }
        }
        assert.deepEqual(
          read,
          [...new Set(read)].sort((a, b) => a - b),
        );
        assert.equal(read.length + lost, count);
      }
    }),
  );
});

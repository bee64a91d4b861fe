/** Where a host takes a guest to be, by what it was told and what it sees. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PortItem } from '../model/host-state.ts';
import type { HostNumber } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { hasArrived, placedBehind, placedPort } from './guest-place.ts';

const [self, other] = [1, 2] as HostNumber[] as [HostNumber, HostNumber];
const told = { self, revision: '50', synced: true };
const port = (host: HostNumber, standby?: HostNumber) =>
  ({ kind: 'port', id: 'p', host, ...(standby !== undefined && { standby }) }) as PortItem;
const tap = (more: object = {}) => ({ kind: 'tap', port: 'p', state: 'attached', ...more }) as Attachment;

/** The host that has the port, and the one that stands by. */
function places(item: PortItem, attachment: Attachment | undefined, open?: boolean): (number | undefined)[] {
  const { host, standby } = placedPort(item, attachment, open, told);
  return [host, standby];
}

test('a guest is where the controller says, as long as this host sees nothing else', () => {
  assert.deepEqual(places(port(self, other), tap(), true), [self, other]);
  assert.deepEqual(places(port(self, other), tap()), [self, other]);
  assert.deepEqual(places(port(other, self), tap(), true), [other, self]);
  assert.deepEqual(places(port(self), tap(), false), [self, undefined]);
  assert.deepEqual(places(port(self, other), undefined, false), [self, other]);
});

test('one whose tap nobody has open is at the standby', () => {
  assert.deepEqual(places(port(self, other), tap(), false), [other, self]);
});

test('one that was heard here is here, until the controller’s word is newer than what it was told', () => {
  assert.deepEqual(places(port(other, self), tap({ heard: {} }), true), [self, other]);
  assert.deepEqual(places(port(other, self), tap({ heard: { confirmed: '51' } }), true), [self, other]);
  assert.deepEqual(places(port(other, self), tap({ heard: { confirmed: '50' } }), true), [other, self]);
  // Neither standing by here nor bound: the record is of an earlier move.
  assert.deepEqual(places(port(other, 3 as HostNumber), tap({ heard: {} }), true), [other, 3]);
});

test('one that was heard here, and whose tap nobody has open any more, is where the controller says', () => {
  for (const heard of [{}, { confirmed: '51' }])
    assert.deepEqual(places(port(other, self), tap({ heard }), false), [other, self]);
});

test('a host whose tap is on its way out leaves the guest to the other one', () => {
  for (const open of [undefined, false, true])
    assert.deepEqual(places(port(self, other), tap({ state: 'detaching' }), open), [other, self]);
  assert.deepEqual(places(port(other, self), tap({ state: 'detaching', heard: {} }), true), [other, self]);
});

test('one that has gone has come from this host, and one that is back from nowhere', () => {
  const { origin } = placedPort(port(self, other), tap(), false, told);
  assert.equal(origin, self);
  assert.equal(placedPort(port(other, self), tap({ heard: {} }), true, told).origin, other);
  const back = placedPort({ ...port(other, self), origin: self }, tap({ heard: {} }), true, told);
  assert.deepEqual([back.host, back.origin], [self, undefined]);
  assert.equal(placedBehind(port(other, self), { ...port(self, other), origin: other }).origin, other);
});

test('what is behind a port is where that one is', () => {
  for (const behind of [port(self, other), port(other, self)])
    for (const front of [port(self, other), port(other, self)]) {
      const { host, standby } = placedBehind(behind, front);
      assert.deepEqual([host, standby], [front.host, front.standby]);
    }
  // Another one's word is on its way: nothing is taken out of the air.
  for (const front of [undefined, port(self), port(self, 3 as HostNumber)])
    assert.deepEqual(placedBehind(port(other, self), front), port(other, self));
});

test('what is no tap has no guest of whom this host knows more', () => {
  assert.deepEqual(places(port(self, other), tap({ kind: 'netns' }), false), [self, other]);
});

test('an arrival is to be told until it is confirmed', () => {
  assert.deepEqual(
    [{ heard: {} }, { heard: { confirmed: '5' } }, {}, { heard: {}, state: 'detaching' }].map((more) =>
      hasArrived(tap(more)),
    ),
    [true, false, false, false],
  );
});

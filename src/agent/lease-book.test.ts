import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Ip, parseIp, parseMac } from '../model/address.ts';
import type { LeaseItem } from '../model/host-state.ts';
import type { LeaseId, NetworkId } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { LeaseBook } from './lease-book.ts';

const network = 'n' as NetworkId;
const [five, six] = ['10.0.0.5', '10.0.0.6'].map(parseIp) as [Ip, Ip];
const leased = (ip: Ip) => ({ ip, mac: parseMac(`02:00:00:00:00:0${ip.at(-1)}`) });
const lease = (...addresses: Ip[]): LeaseItem => ({
  kind: 'lease',
  id: 'l' as LeaseId,
  network,
  size: 8,
  addresses: addresses.map(leased),
});

/** A book of addresses 10.0.0.5 and 10.0.0.6, and what makes another one of the same directory. */
function scratch() {
  const path = mkdtempSync(join(tmpdir(), 'heddle-book-'));
  const attachments: Attachment[] = [];
  const open = () => new LeaseBook(path, () => attachments);
  const book = open();
  book.heed(new Map([[network, lease(five, six)]]));
  return { book, open, attachments, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
const free = (book: LeaseBook): Ip[] => book.free(network).map(({ ip }) => ip);

test('an address that the controller is asked for is given to nobody else meanwhile', () => {
  using s = scratch();
  {
    using _asking = s.book.asking('p', network, [five]);
    assert.deepEqual(free(s.book), [six]);
    assert.throws(() => s.book.asking('q', network, [five]), { code: 'ADDRESS_TAKEN' });
  }
  assert.deepEqual(free(s.book), [five, six]);
});

test('the controller is not asked for an address of a port that it does not know yet', () => {
  using s = scratch();
  s.attachments.push({ name: 'w', state: 'attached', local: { network, addresses: [five], leased: [] } } as never);
  assert.throws(() => s.book.asking('p', network, [six, five]), { code: 'ADDRESS_TAKEN' });
  assert.deepEqual(free(s.book), [six]);
});

test('what is leaving is not given, also by the next agent with an older word of the controller, until it has left', () => {
  using s = scratch();
  s.book.leave(network, [five]);
  const next = s.open();
  next.heed(new Map([[network, lease(five, six)]]));
  assert.deepEqual(free(next), [six]);
  next.heed(new Map([[network, lease(six)]]));
  next.heed(new Map([[network, lease(five, six)]]));
  assert.deepEqual(free(next), [five, six]);
});

test('addresses of a port that is being detached are given on, unless they were refused', () => {
  using s = scratch();
  s.book.heed(new Map([[network, lease(six)]]));
  const local = { network, addresses: [five], leased: [leased(five)] };
  s.attachments.push({ name: 'w', state: 'detaching', local } as never);
  assert.deepEqual(free(s.book), [five, six]);
  s.attachments.splice(0, 1, { name: 'w', state: 'detaching', local: { ...local, refused: {} } } as never);
  assert.deepEqual(free(s.book), [six]);
});

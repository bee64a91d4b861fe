import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Ip } from '../model/address.ts';
import { limits } from '../model/fields.ts';
import type { HostWord } from '../model/host-state.ts';
import type { PublishedPlace } from '../model/published-place.ts';
import { HostTeller } from './host-word.ts';

let addresses: Ip[] = [];
let held: PublishedPlace[] = [];
const said: HostWord[] = [];
const warned: unknown[] = [];
const teller = () =>
  new HostTeller({
    addresses: () => addresses,
    held: () => held,
    send: (word) => said.push(word),
    log: { warn: (fields: unknown) => warned.push(fields) } as never,
  });
beforeEach(() => {
  addresses = ['192.0.2.1' as Ip];
  held = ['tcp 80'];
  said.length = 0;
  warned.length = 0;
});

test('all is said when a connection begins, and what has changed at most once a second', async (t) => {
  t.after(() => mock.timers.reset());
  using told = teller();
  told.heed();
  told.begin();
  await turn();
  assert.deepEqual(said, [{ type: 'host', addresses: ['192.0.2.1'], held: ['tcp 80'] }]);
  mock.timers.enable({ apis: ['setTimeout'] });
  for (let port = 81; port < 90; port++) {
    held = [`tcp ${port}`];
    told.heed();
  }
  mock.timers.tick(800);
  assert.equal(said.length, 1);
  mock.timers.tick(200);
  assert.deepEqual(
    said.slice(1).map((word) => word.held),
    [['tcp 89']],
  );
  told.heed();
  mock.timers.tick(2_000);
  assert.equal(said.length, 2, 'nothing is said that is as it was');
});

test('nothing is said without a connection, and all with the next one', async () => {
  using told = teller();
  told.begin();
  told.end();
  await turn();
  assert.deepEqual(said, []);
  told.begin();
  await turn();
  told.begin();
  await turn();
  assert.equal(said.length, 2);
});

test('what is too much to tell is left out from the end, with a warning', async () => {
  addresses = Array.from({ length: limits.addressesPerHost + 3 }, (_, n) => `10.0.${n >> 8}.${n & 255}` as Ip);
  held = Array.from({ length: 300 }, (_, n) => `tcp ${n + 1}` as PublishedPlace);
  held.push('udp 53 10.0.0.1');
  using told = teller();
  told.begin();
  await turn();
  const [word] = said;
  assert.equal(word!.addresses.length, limits.addressesPerHost);
  assert.equal(word!.held.at(-1), 'tcp 255');
  assert.deepEqual(warned, [{ addresses: 3, held: 46 }]);
});

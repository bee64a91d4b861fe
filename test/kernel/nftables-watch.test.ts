import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { inNetns } from '../../src/kernel/netns.ts';
import { watchNftables } from '../../src/kernel/nftables-watch.ts';
import { scratchNetns } from './fixture.ts';

test('the names of changed tables are told, whatever is changed in them and by whom, and nothing after the end', async () => {
  using scratch = scratchNetns();
  const told: string[] = [];
  let heard = Promise.withResolvers<void>();
  const watch = inNetns(scratch.ns, () =>
    watchNftables((tables) => {
      told.push(...(tables ?? ['lost']));
      heard.resolve();
    }),
  );
  const nft = async (...words: string[]): Promise<string[]> => {
    heard = Promise.withResolvers<void>();
    execFileSync('nsenter', [`--net=${scratch.path}`, 'nft', ...words]);
    await heard.promise;
    return told.splice(0);
  };
  assert.deepEqual(await nft('add', 'table', 'inet', 'one'), ['one']);
  assert.deepEqual(await nft('add', 'chain', 'inet', 'one', 'c'), ['one']);
  assert.deepEqual(await nft('add', 'set', 'inet', 'one', 's', '{ type ipv4_addr; }'), ['one']);
  assert.deepEqual(await nft('add', 'element', 'inet', 'one', 's', '{ 192.0.2.1 }'), ['one']);
  assert.deepEqual(await nft('add', 'table', 'ip', 'two'), ['two']);
  assert.deepEqual((await nft('flush', 'ruleset')).sort(), ['one', 'two']);
  watch[Symbol.dispose]();
  execFileSync('nsenter', [`--net=${scratch.path}`, 'nft', 'add', 'table', 'inet', 'three']);
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(told, []);
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { HeddleError } from '../model/errors.ts';
import { madeLabel } from '../model/made-network.ts';
import { MadeNetworks } from './made-networks.ts';
import { DockerState } from './state.ts';

it('removes a network that Docker needs no more also when the controller does not know this host for a moment', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-made-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const { promise, resolve: removed } = Promise.withResolvers<string>();
  // It has joined anew: its id is the one from before until its stream is open.
  let ref = 'from-before';
  const asked: string[] = [];
  const client = {
    async get(kind: string, id: string) {
      if (kind === 'network') return { id, labels: { [madeLabel.key]: madeLabel.value } };
      asked.push(id);
      if (id !== 'now') {
        ref = 'now';
        throw new HeddleError('NOT_FOUND', { kind, name: id });
      }
      return { id };
    },
    list: async () => [],
    remove: async (kind: string, id: string) => removed(`${kind} ${id}`),
  };
  const thisHost = {
    name: 'h1',
    get ref() {
      return ref;
    },
  };
  const state = new DockerState(dir);
  state.removals.put({ id: 'docker1', tenant: 'acme', network: 'n1' as never });
  await using networks = new MadeNetworks({
    ...{ client: client as never, state, thisHost, log: pino({ level: 'silent' }) },
  });
  networks.removeAll();
  assert.equal(await promise, 'network n1');
  assert.deepEqual(asked, ['from-before', 'now']);
});

/** 10,000 ports in one network, ten of them on this host, the others behind a segment elsewhere: memory, and agents that start again. */
// exclusive: measures memory
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import { until } from '../../src/lab/processes.ts';
import { hasCode } from '../../src/model/errors.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';

const ports = 10_000;
const attached = 10;
const atOnce = 16;
const most = { rssMiB: 250 };

let stage: Stage;
let local: Station[];

before(async () => {
  stage = await openStage(1);
  await stage.network('t', 'big', ['10.64.0.0/16', 'fd64::/64']);
  for (const [name, n] of [
    ['elsewhere', 200],
    ['besides', 201],
  ] as const)
    await stage.client.create('host', { name, vtep: `198.18.0.${n}` });
  const segment = { name: 'segment', network: 'big', host: 'elsewhere', standby: 'besides', segment: {} };
  await stage.client.create('port', segment, { tenant: 't' });
  local = [];
  for (let n = 0; n < attached; n++) local.push(await stage.attach({ tenant: 't', network: 'big', host: 0 }));
});
after(() => stage?.[Symbol.asyncDispose]());

interface Status {
  readonly synced: boolean;
  readonly ports: { readonly up: number };
  readonly rows: { readonly desired: number; readonly actual: number };
}
const status = async (): Promise<Status> =>
  (await openLocal(stage.lab.hosts[0]!.agentSocket).request('GET', '/v1/status')) as Status;

/** Every port is a row by MAC, and by its address of each family and its link-local one. */
const allRows = 4 * ports;

/** Creates ports behind the segment, several requests at a time. */
async function createPorts(count: number): Promise<void> {
  let made = 0;
  const worker = async (): Promise<void> => {
    while (made < count) {
      made++;
      await stage.client.create('port', { network: 'big', behind: 'segment' }, { tenant: 't' });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Resident memory of a daemon of the lab, MiB. */
function rssMiB(daemon: string): number {
  const text = readFileSync(`/proc/${stage.lab.pid(daemon)}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)![1]) / 1024;
}

/** Resolves when the agent says that it is in step, with all rows in the kernel. */
const inStep = (): Promise<true> =>
  until('the agent being in step', 60_000, async () => {
    try {
      const { synced, rows } = await status();
      return synced && rows.desired >= allRows && rows.actual === rows.desired ? true : undefined;
    } catch (e) {
      if (hasCode(e, 'AGENT_UNREACHABLE')) return undefined;
      throw e;
    }
  });

test('10,000 ports are made, and controller and agent stay small', async (t) => {
  const began = performance.now();
  await createPorts(ports - attached);
  t.diagnostic(`${ports - attached} ports created in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await inStep();
  for (const daemon of ['controller', 'h1']) {
    t.diagnostic(`${daemon}: ${rssMiB(daemon).toFixed(0)} MiB`);
    assert.ok(rssMiB(daemon) < most.rssMiB, `${daemon} holds ${rssMiB(daemon)} MiB`);
  }
});

test('all of them are elsewhere, in the kernel, soon after their segment’s hosts have swapped', async (t) => {
  for (const host of ['besides', 'elsewhere']) {
    const began = performance.now();
    const { revision } = await stage.client.update('port', 'segment', { host }, { tenant: 't' });
    await until('the swap being applied', 60_000, async () => {
      const { appliedRevision = '0' } = (await stage.client.get('host', stage.lab.hosts[0]!.name)).status;
      return BigInt(appliedRevision) >= BigInt(revision) ? true : undefined;
    });
    t.diagnostic(`to ${host}: applied ${(performance.now() - began).toFixed(0)} ms after it was asked for`);
    const { rows } = await status();
    assert.equal(rows.actual, rows.desired);
  }
});

test('a restarted agent is in step again, and stays small', async (t) => {
  await stage.lab.kill('h1');
  const began = performance.now();
  await stage.lab.start('h1');
  await inStep();
  // How soon is for `npm run bench -- restart` to say, on a machine that does nothing else.
  t.diagnostic(`in step ${(performance.now() - began).toFixed(0)} ms after its start; ${rssMiB('h1').toFixed(0)} MiB`);
  assert.ok(rssMiB('h1') < most.rssMiB);
  assert.equal((await status()).ports.up, attached);
  await stage.ping(local[0]!, local[9]!.ip4);
});

test('a restarted controller is back with all of it, and as small', async (t) => {
  await stage.lab.kill('controller');
  const began = performance.now();
  await stage.lab.start('controller');
  await stage.lab.ready('h1');
  t.diagnostic(
    `online ${(performance.now() - began).toFixed(0)} ms after its start; ${rssMiB('controller').toFixed(0)} MiB`,
  );
  assert.ok(rssMiB('controller') < most.rssMiB);
  await inStep();
});

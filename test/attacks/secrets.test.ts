/** A37: what is secret is in no log, metric, event, record or answer of a daemon, wherever somebody put it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { openClient } from '../../src/client/client.ts';
import { openLocal } from '../../src/client/local.ts';
import { readText, send } from '../../src/client/transport.ts';
import type { HeddleError } from '../../src/model/errors.ts';
import { Rig } from '../agent/rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const { lab, client } = rig;

/** The beginning of a token's secret, which may have any sign of an id's in it. */
const secretOf = (token: string): string => /^hd[tj]_[0-9a-f]+_(.{16})/.exec(token)![1]!;

/** All that the daemons of the lab say of what has happened. */
async function allThatIsSaid(): Promise<string> {
  const logs = ['controller', 'h1', 'h2'].map((target) => readFileSync(lab.logFile(target), 'utf8'));
  const served = await Promise.all(
    [lab.controllerAddress, ...lab.hosts.map(({ agentSocket }) => `unix:${agentSocket}`)].map(async (address) =>
      readText(await send({ address }, 'GET', '/metrics', {}, (problem) => new Error(problem) as HeddleError)),
    ),
  );
  const asked = ['/v1/audit?limit=1000', '/v1/events', '/v1/status', '/v1/tokens', '/v1/host-tokens', '/v1/hosts'];
  const answers = await Promise.all(asked.map((path) => client.request('GET', path)));
  const local = await Promise.all(
    lab.hosts.map(({ agentSocket }) => openLocal(agentSocket).request('GET', '/v1/status')),
  );
  return [...logs, ...served, ...[...answers, ...local].map((answer) => JSON.stringify(answer))].join('\n');
}

test('A37: no secret is said again, wherever it was put', async () => {
  const word = randomBytes(12).toString('hex');
  const { token } = await client.createToken({ user: 'admin' });
  const { token: join } = await client.createHostToken({});
  const { ca } = await client.authority();
  const user = openClient(lab.apiAddress, { ca, token });
  const w = await rig.workload();
  await rig.attach('h1', { target: w.path, userData: `#!/bin/sh\necho ${word}\n` });
  /** In places where it is refused; what is answered then. */
  const refusals = await Promise.all(
    [token, join]
      .flatMap((secret) => [
        user.request('DELETE', `/v1/tenants/${secret}`),
        user.request('GET', `/v1/tenants/${secret}`),
        user.request('GET', '/v1/hosts', { query: { [secret]: secret } }),
        user.request('GET', '/v1/tenants/none', { headers: { 'x-request-id': secret } }),
        user.request('GET', '/v1/tenants/none', { headers: { 'x-request-id': secret.slice(0, 60) } }),
        user.request('POST', '/v1/tenants', { body: { name: secret, [secret]: secret } }),
        user.request('POST', '/v1/join', { body: { token: `${secret}x`, csr: secret, name: secret } }),
        openClient(lab.apiAddress, { ca, token: `${secret}x` }).request('GET', '/v1/hosts'),
        openLocal(lab.host('h1').agentSocket).request('GET', `/v1/attachments/${secret}`),
        openLocal(lab.host('h1').agentSocket).request('POST', '/v1/attachments', { body: { [secret]: secret } }),
      ])
      .map((request) =>
        request.then(String, (e: Error) => `${e.message} ${JSON.stringify((e as HeddleError).details)}`),
      ),
  );
  await user.request('GET', '/v1/hosts', { headers: { 'x-request-id': 'control-37' } });
  await client
    .request('POST', '/v1/tenants', { body: { name: 'Control!' }, headers: { 'x-request-id': 'control-37' } })
    .catch(() => '');
  await user.request('DELETE', `/v1/tokens/${token}`);
  const said = `${await allThatIsSaid()}\n${refusals.join('\n')}`;
  assert.match(said, /control-37/, 'what is no secret is there to be found');
  const identity = JSON.parse(readFileSync(`${lab.plan.dir}/h1/state/identity.json`, 'utf8')) as { key: string };
  const secrets = {
    'an API token': secretOf(token),
    'a token to join': secretOf(join),
    "a host's key": identity.key.split('\n')[1]!,
    "the store's key": readFileSync(`${lab.plan.dir}/controller.db.secret.key`, 'utf8').trim(),
    'user data': word,
    'a private key': 'PRIVATE KEY',
  };
  const found = Object.entries(secrets).filter(([, secret]) => said.includes(secret));
  assert.deepEqual(
    found.map(([what, secret]) => [what, said.slice(said.indexOf(secret) - 300, said.indexOf(secret) + 20)]),
    [],
  );
});

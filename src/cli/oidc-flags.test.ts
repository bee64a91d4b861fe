import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Code, hasCode } from '../model/errors.ts';
import { makeAuthority } from '../trust/authority-certificate.ts';
import { makeCommand } from './command.ts';
import { type OidcTyped, oidcOf, withOidc } from './oidc-flags.ts';

/** What is typed, as the controller has it. */
const typed = async (...words: string[]) => {
  const command = withOidc(makeCommand('controller', '', ['']));
  command.parse(words, { from: 'user' });
  return oidcOf(command.opts<OidcTyped>());
};
const refused = (words: readonly string[], code: Code) =>
  assert.rejects(typed(...words), (e) => hasCode(e, code), words.join(' '));
const staff = ['--oidc-issuer', 'https://login.example.org/realms/staff', '--oidc-client-id', 'heddle'];

test('a provider is said by its issuer and our client there; the rest has defaults', async () => {
  assert.equal(await typed(), undefined);
  assert.deepEqual((await typed(...staff))?.settings, {
    issuer: 'https://login.example.org/realms/staff',
    clientId: 'heddle',
    scopes: ['openid', 'offline_access'],
  });
  const more = await typed(...staff, '--oidc-scope', 'groups', '--oidc-scope', 'openid', '--oidc-prefix', '');
  assert.deepEqual(more?.settings.scopes, ['openid', 'offline_access', 'groups']);
});

test('half of one is none', async () => {
  await refused(['--oidc-client-id', 'heddle'], 'USAGE');
  await refused(['--oidc-groups-claim', 'roles'], 'USAGE');
  await refused(['--oidc-issuer', 'https://login.example.org'], 'USAGE');
  await refused(['--oidc-issuer', 'http://login.example.org', '--oidc-client-id', 'heddle'], 'USAGE');
  await refused([...staff, '--oidc-prefix', 'a b'], 'USAGE');
});

test('an authority is taken that is one', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-oidc-flags-'));
  t.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'ca.pem');
  await refused([...staff, '--oidc-ca', file], 'USAGE');
  await writeFile(file, 'no certificate');
  await refused([...staff, '--oidc-ca', file], 'INVALID');
  const { certificate } = await makeAuthority(new Date());
  await writeFile(file, `# of the company\n${certificate}`);
  assert.equal((await typed(...staff, '--oidc-ca', file))?.settings.ca, certificate);
});

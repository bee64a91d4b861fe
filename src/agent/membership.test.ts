/** Which controller a host believes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { makeAuthority } from '../trust/authority-certificate.ts';
import { hostCertificate } from '../trust/test-hosts.ts';
import { writeIdentity } from './identity.ts';
import { openMembership } from './membership.ts';
import { ControllerStream } from './stream.ts';

const log = pino({ level: 'silent' });
const plain = ['http://192.0.2.1:7470', 'http://127.0.0.1:7470', 'ws://192.0.2.1:7470', '192.0.2.1:7470'];

const authority = await makeAuthority(new Date());
const { certificate: cert, key } = await hostCertificate(authority);
const shown = { key, cert, ca: authority.certificate };

function newState() {
  const stateDir = mkdtempSync(join(tmpdir(), 'heddle-membership-'));
  return { stateDir, [Symbol.dispose]: () => rmSync(stateDir, { recursive: true }) };
}

test('nobody is believed by plain TCP, by a host that has joined or not, nor asked with its token', async () => {
  using own = newState();
  using joined = newState();
  const host = { id: 'x', name: 'h1' };
  const issuedAt = '2026-01-01T00:00:00Z';
  writeIdentity(joined.stateDir, { controller: 'https://192.0.2.1:7470', host, ...shown, issuedAt });
  const joinToken = () => assert.fail('nobody asks for it');
  for (const controller of plain)
    for (const { stateDir } of [own, joined])
      await assert.rejects(openMembership({ controller, joinToken, stateDir, log }), {
        code: 'USAGE',
        message: /heddle agent join https:\/\/(192\.0\.2\.1|127\.0\.0\.1):7470 <token>/,
      });
  assert.equal((await openMembership({ ...joined, log })).controller, 'https://192.0.2.1:7470');
  assert.equal((await openMembership({ ...own, log })).controller, 'unix:/run/heddle/controller.sock');
});

test('a host that has joined is called what its controller calls it, whatever its command says', async () => {
  using state = newState();
  const host = { id: 'x', name: 'h9' };
  const issuedAt = '2026-01-01T00:00:00Z';
  const { stateDir } = state;
  assert.equal((await openMembership({ stateDir, name: 'h1', log })).name, 'h1');
  writeIdentity(stateDir, { controller: 'https://192.0.2.1:7470', host, ...shown, issuedAt });
  assert.equal((await openMembership({ stateDir, name: 'h1', log })).name, 'h9');
});

test('an agent does not start with an identity that it cannot show: keys of two pairs, an empty one, what is no PEM', async () => {
  using state = newState();
  const { stateDir } = state;
  const identity = {
    controller: 'https://192.0.2.1:7470',
    host: { id: 'x', name: 'h1' },
    issuedAt: '2026-01-01T00:00:00Z',
  };
  const { key: other } = await hostCertificate(authority);
  for (const broken of [{ key: other }, { key: '' }, { cert: '' }, { cert: 'x' }, { ca: '' }]) {
    writeIdentity(stateDir, { ...identity, ...shown, ...broken });
    await assert.rejects(openMembership({ stateDir, log }), { code: 'IDENTITY_BROKEN' }, JSON.stringify(broken));
  }
});

test('the stream goes nowhere else either', () => {
  for (const controller of plain)
    assert.throws(() => new ControllerStream(controller, undefined, undefined as never), { code: 'USAGE' });
});

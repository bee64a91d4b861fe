/** A host's certificate while another process joins again in the same folder. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAuthority } from '../trust/authority-certificate.ts';
import { hostCertificate, hostId } from '../trust/test-hosts.ts';
import { type Identity, readIdentity, writeIdentity } from './identity.ts';
import { OwnCertificate } from './own-certificate.ts';

const authority = await makeAuthority(new Date());

/** What a host has joined with. */
async function newIdentity(name = 'h1', controller = 'https://192.0.2.1:7470'): Promise<Identity> {
  const { certificate: cert, key } = await hostCertificate(authority);
  const issuedAt = new Date().toISOString();
  return { controller, host: { id: hostId, name }, key, cert, ca: authority.certificate, issuedAt };
}

async function newState() {
  const stateDir = mkdtempSync(join(tmpdir(), 'heddle-own-'));
  const joined = await newIdentity();
  writeIdentity(stateDir, joined);
  return { stateDir, joined, [Symbol.dispose]: () => rmSync(stateDir, { recursive: true }) };
}

/** A controller whose answers to a renewal come when the test says so. */
function slowController() {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<object>();
  const client = {
    async request() {
      asked.resolve();
      return answer.promise;
    },
  };
  const renewed = async () => {
    const { certificate } = await hostCertificate(authority);
    answer.resolve({ certificate, ca: authority.certificate });
    return certificate;
  };
  return { client, asked: asked.promise, renewed };
}

test('a renewal under way takes not the place of what the host joins again with meanwhile', async () => {
  using state = await newState();
  const { client, asked, renewed } = slowController();
  const again = await newIdentity();
  const failed = Promise.withResolvers<void>();
  const own = new OwnCertificate(state.stateDir, state.joined, { info: () => undefined, warn: () => failed.resolve() });
  {
    await using _ = own;
    own.begin(client as never, failed.resolve);
    own.renewNow();
    await asked;
    writeIdentity(state.stateDir, again);
    await renewed();
    await failed.promise;
  }
  assert.deepEqual(readIdentity(state.stateDir), again);
});

/** What is said of how long a host’s certificate holds. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HeddleError } from '../model/errors.ts';
import { makeAuthority } from '../trust/authority-certificate.ts';
import { hostCertificate } from '../trust/test-hosts.ts';
import { OwnCertificate } from './own-certificate.ts';

const dayMs = 86_400_000;
const authority = await makeAuthority(new Date(Date.now() - 10 * dayMs));

/** A host's certificate of three days that was made so many days ago. */
async function madeAgo(days: number) {
  const stateDir = mkdtempSync(join(tmpdir(), 'heddle-own-'));
  const made = new Date(Date.now() - days * dayMs);
  const { certificate: cert, key } = await hostCertificate(authority, { now: made });
  const identity = {
    ...{ controller: 'https://192.0.2.1:7470', host: { id: 'x', name: 'h1' } },
    ...{ key, cert, ca: authority.certificate, issuedAt: made.toISOString() },
  };
  const failed = Promise.withResolvers<void>();
  const own = new OwnCertificate(stateDir, identity, { info: () => undefined, warn: () => failed.resolve() });
  return {
    own,
    failed: failed.promise,
    async [Symbol.asyncDispose]() {
      await own[Symbol.asyncDispose]();
      rmSync(stateDir, { recursive: true });
    },
  };
}

test('a certificate that is renewed in time is no problem, and one that is late says what keeps it from that', async () => {
  await using fresh = await madeAgo(1.9);
  assert.deepEqual(Object.keys(fresh.own.status), ['until']);
  await using late = await madeAgo(2.1);
  const { until, problem } = late.own.status;
  assert.ok(Math.abs(Date.parse(until) - Date.now() - 0.9 * dayMs) < 60_000);
  assert.equal(problem, `it holds until ${until}, and is not renewed: it is being asked for`);
  const request = async () => {
    throw new HeddleError('CONTROLLER_UNREACHABLE', { address: 'https://192.0.2.1:7470', problem: 'no route' });
  };
  late.own.onRenewed(() => assert.fail('it is renewed'));
  late.own.begin({ request });
  await late.failed;
  assert.match(late.own.status.problem ?? '', /is not renewed: .*no route/);
});

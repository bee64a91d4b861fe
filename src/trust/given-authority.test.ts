import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { crossSign, type KeyedCertificate, makeAuthority } from './authority-certificate.ts';
import { parseBundle } from './bundle.ts';
import { parseAuthority } from './given-authority.ts';
import { verifyIdentity } from './identity.ts';
import { issueServer } from './issue.ts';
import { derOf, hostCertificate } from './test-hosts.ts';
import { DAY_MS } from './validity.ts';

const dir = mkdtempSync(join(tmpdir(), 'heddle-given-'));
after(() => rmSync(dir, { recursive: true }));
/** What OpenSSL makes holds from now on, to the second. */
const now = new Date(Date.now() + 60_000);

/** One that OpenSSL makes, as companies do; `name` is that of its key, hexadecimal. */
function openssl(curve: string, name = 'hash'): KeyedCertificate {
  const [key, certificate, config] = ['key', 'certificate', 'config'].map((file) => join(dir, file)) as [
    string,
    string,
    string,
  ];
  const extensions = `basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=${name}\n`;
  writeFileSync(config, `[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\n${extensions}`);
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-nodes', '-days', '30'];
  const files = ['-config', config, '-keyout', key, '-out', certificate, '-subj', '/O=Example/CN=Example Root'];
  execFileSync('openssl', [...made, ...files], { stdio: 'pipe' });
  return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
}
const verify = (file: string, ca: string) =>
  execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', ca, file], { encoding: 'utf8', stdio: 'pipe' });

it('an authority that OpenSSL made, with names of keys of its own, signs as ours do', async () => {
  const made = openssl('P-256', '01020304');
  const given = parseAuthority(made.certificate, made.key, now);
  const { certificate } = await hostCertificate(given);
  assert.equal(typeof verifyIdentity(derOf(certificate), parseBundle(given.certificate)), 'object');
  const next = await makeAuthority(now);
  const cross = new X509Certificate(await crossSign(next.certificate, given, now));
  assert.ok(cross.checkIssued(new X509Certificate(given.certificate)));
});

it('what we sign is taken by OpenSSL’s strict rules, also by way of an older authority', async () => {
  const [older, newer] = [await makeAuthority(now), await makeAuthority(now)];
  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const ca = write('ca', newer.certificate);
  const server = write('server', (await issueServer(newer, [{ type: 'dns', value: 'localhost' }], now)).certificate);
  const host = write('host', (await hostCertificate(newer)).certificate);
  for (const file of [server, host]) assert.match(verify(file, ca), /: OK/);
  const chain = write('chain', await crossSign(newer.certificate, older, now));
  const by = ['verify', '-x509_strict', '-CAfile', write('older', older.certificate), '-untrusted', chain, server];
  assert.match(execFileSync('openssl', by, { encoding: 'utf8' }), /: OK/);
  assert.throws(() => verify(server, join(dir, 'older')), /unable to get local issuer/);
});

it('others are refused, with why', async () => {
  const good = openssl('P-256');
  const other = openssl('P-256');
  const leaf = await hostCertificate(parseAuthority(good.certificate, good.key, now));
  const cases: [problem: RegExp, certificate: string, key: string, now?: Date][] = [
    [/P-256/, ...values(openssl('P-384'))],
    [/not that of the certificate/, good.certificate, other.key],
    [/signed itself/, ...values(leaf)],
    [/one certificate/, good.certificate + other.certificate, good.key],
    [/certificate cannot be read/, 'none', good.key],
    [/key cannot be read/, good.certificate, 'none'],
    [/it holds from/, good.certificate, good.key, new Date(now.getTime() + 31 * DAY_MS)],
  ];
  for (const [message, certificate, key, at = now] of cases)
    assert.throws(() => parseAuthority(certificate, key, at), { code: 'USAGE', message });
});
const values = ({ certificate, key }: KeyedCertificate): [string, string] => [certificate, key];

import assert from 'node:assert/strict';
import { createPrivateKey, type webcrypto, X509Certificate } from 'node:crypto';
import { it } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { crossSign, makeAuthority } from './authority-certificate.ts';
import { bundleText, parseBundle, pinOf } from './bundle.ts';
import { identityOf, isAgentServer, problemAt, verifyIdentity } from './identity.ts';
import { issueHost, issueServer } from './issue.ts';
import { makeRequest, readRequest } from './request.ts';
import { derOf, hostCertificate, hostId } from './test-hosts.ts';
import { DAY_MS, lifetimes } from './validity.ts';
import { x509 } from './x509.ts';

const now = new Date('2026-11-22T10:00:00Z');
const read = (pem: string) => new X509Certificate(pem);

it('an authority signs itself, holds ten years, and signs certificates alone', async () => {
  const { certificate, key } = await makeAuthority(now);
  const ca = read(certificate);
  assert.ok(ca.ca && ca.verify(ca.publicKey) && ca.checkPrivateKey(createPrivateKey(key)));
  assert.match(ca.subject, /^CN=Heddle CA 2026-11-22 [0-9a-f]{8}$/);
  assert.equal(ca.validToDate.getTime() - now.getTime(), lifetimes.authority);
  assert.equal(ca.keyUsage, undefined, 'of no extended use');
  assert.equal(ca.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

it('each certificate has a number of its own, positive and of 16 bytes', async () => {
  const authority = await makeAuthority(now);
  const serials = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { serialNumber } = read((await issueServer(authority, [], now)).certificate);
    assert.match(serialNumber, /^[4-7][0-9A-F]{31}$/);
    serials.add(serialNumber);
  }
  assert.equal(serials.size, 20);
});

it('a controller’s certificate names it, and is for servers alone', async () => {
  const authority = await makeAuthority(now);
  const names = [
    { type: 'dns', value: 'sdn.example.org' },
    { type: 'ip', value: '192.0.2.1' },
    { type: 'ip', value: '2001:db8::1' },
  ] as const;
  const { certificate, key } = await issueServer(authority, names, now);
  const server = read(certificate);
  assert.ok(server.checkIssued(read(authority.certificate)) && server.checkPrivateKey(createPrivateKey(key)));
  assert.equal(
    server.subjectAltName,
    'DNS:sdn.example.org, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, URI:heddle:controller',
  );
  assert.equal(server.checkHost('sdn.example.org'), 'sdn.example.org');
  assert.equal(server.checkIP('2001:db8::1'), '2001:db8::1');
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.deepEqual(identityOf(server), { kind: 'controller' });
  assert.equal(server.validToDate.getTime() - now.getTime(), 3 * DAY_MS);
  assert.equal(now.getTime() - server.validFromDate.getTime(), 5 * 60_000, 'for clocks that are late');
});

it('a host’s certificate is of its own key, names it, and as a server’s has the name of all hosts alone', async () => {
  const authority = await makeAuthority(now);
  const { certificate, key } = await hostCertificate(authority, { now, generation: 7 });
  const host = read(certificate);
  assert.ok(host.checkPrivateKey(createPrivateKey(key)));
  assert.equal(host.subject, 'CN=h1');
  assert.equal(
    host.subjectAltName,
    `DNS:agent.heddle.internal, URI:heddle:host:${hostId}, URI:heddle:generation:7`,
    'whatever it is called, and wherever it is',
  );
  assert.deepEqual(host.keyUsage, ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
  assert.ok(isAgentServer(host));
  assert.ok(!isAgentServer(read((await issueServer(authority, [], now)).certificate)), 'not without the name');
  assert.ok(!host.ca);
  assert.deepEqual(identityOf(host), { kind: 'host', host: hostId, generation: 7 });
});

it('A30: whose a certificate is, is said of those alone that one of the authorities signed', async () => {
  const [ours, older, foreign] = [await makeAuthority(now), await makeAuthority(now), await makeAuthority(now)];
  const authorities = parseBundle(ours.certificate + older.certificate);
  for (const authority of [ours, older]) {
    const found = verifyIdentity(derOf((await hostCertificate(authority, { now })).certificate), authorities);
    assert.ok(typeof found !== 'string');
    assert.deepEqual(found.identity, { kind: 'host', host: hostId, generation: 0 });
    assert.equal(problemAt(found, now), undefined);
    assert.equal(problemAt(found, new Date(now.getTime() + 3 * DAY_MS + 1000)), 'expired');
    assert.equal(problemAt(found, new Date(now.getTime() - 6 * 60_000)), 'not valid yet');
  }
  const other = (await hostCertificate(foreign, { now })).certificate;
  assert.equal(verifyIdentity(derOf(other), authorities), 'of another authority');
  assert.equal(verifyIdentity(derOf(ours.certificate), authorities), 'of no host', 'an authority is no host');
  assert.equal(verifyIdentity(Buffer.from('no certificate'), authorities), 'unreadable');
});

it('A30: one that calls itself by our authority’s name is of another authority', async () => {
  const ours = await makeAuthority(now);
  const { X509CertificateGenerator } = await x509();
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const forged = await X509CertificateGenerator.createSelfSigned({ name: read(ours.certificate).subject, keys });
  assert.equal(verifyIdentity(Buffer.from(forged.rawData), parseBundle(ours.certificate)), 'of another authority');
});

it('A30: a changed certificate is of nobody', async () => {
  const ours = await makeAuthority(now);
  const der = derOf((await hostCertificate(ours, { now })).certificate);
  const at = der.indexOf('heddle:generation:0') + 'heddle:generation:'.length;
  const changed = Buffer.from(der);
  changed[at] = '9'.charCodeAt(0);
  assert.equal(read(`-----BEGIN CERTIFICATE-----\n${changed.toString('base64')}\n-----END CERTIFICATE-----`).ca, false);
  assert.equal(verifyIdentity(changed, parseBundle(ours.certificate)), 'of another authority');
});

it('an older authority vouches for a new one, as long as it holds itself', async () => {
  const [older, newer] = [await makeAuthority(now), await makeAuthority(new Date(now.getTime() + DAY_MS))];
  const cross = read(await crossSign(newer.certificate, older, now));
  assert.ok(cross.ca && cross.checkIssued(read(older.certificate)));
  assert.ok(cross.verify(read(older.certificate).publicKey));
  assert.equal(cross.subject, read(newer.certificate).subject);
  assert.equal(pinOf(cross), pinOf(read(newer.certificate)), 'it is the same key');
  assert.equal(cross.validTo, read(older.certificate).validTo);
});

it('nothing outlives its authority', async () => {
  const authority = await makeAuthority(now);
  const late = new Date(read(authority.certificate).validToDate.getTime() - DAY_MS);
  const { certificate } = await hostCertificate(authority, { now: late });
  assert.equal(read(certificate).validTo, read(authority.certificate).validTo);
});

it('A31: of a request nothing but its key is taken', async () => {
  const authority = await makeAuthority(now);
  const { key, csr } = await makeRequest('admin');
  const host = read(await issueHost(authority, csr, { id: hostId, name: 'h1', generation: 0 }, now));
  assert.equal(host.subject, 'CN=h1');
  assert.ok(host.checkPrivateKey(createPrivateKey(key)));
});

it('two requests of one key are known for that', async () => {
  const [a, b] = [await makeRequest('h1'), await makeRequest('h1')];
  assert.equal((await readRequest(a.csr)).fingerprint, (await readRequest(a.csr)).fingerprint);
  assert.notEqual((await readRequest(a.csr)).fingerprint, (await readRequest(b.csr)).fingerprint);
});

it('A31: requests of other keys, that somebody else signed, or that are none, are refused', async () => {
  const { Pkcs10CertificateRequestGenerator: Generator, Pkcs10CertificateRequest: Request } = await x509();
  const ec = (namedCurve: string) => ({ name: 'ECDSA', namedCurve });
  const pairOf = (algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams) =>
    crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const rsa = {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 1024,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  };
  const p384 = await Generator.create({
    keys: await pairOf(ec('P-384')),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-384' },
  });
  const old = await Generator.create({ keys: await pairOf(rsa), signingAlgorithm: rsa });
  const good = new Request((await makeRequest('h1')).csr);
  const swapped = Buffer.from(new Uint8Array(good.rawData));
  // The signature is at the end, the key before it.
  swapped[swapped.length - 1]! ^= 1;
  const pemOf = (der: Uint8Array) =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  const refusals: [what: string, csr: string, problem: RegExp][] = [
    ['P-384', p384.toString('pem'), /P-256/],
    ['RSA', old.toString('pem'), /P-256/],
    ['another signature', pemOf(swapped), /not signed|cannot be read/],
    ['half', pemOf(Buffer.from(good.rawData).subarray(0, 100)), /cannot be read/],
    ['a certificate', (await makeAuthority(now)).certificate, /none in PEM/],
    ['nothing', '', /none in PEM/],
    ['much', `-----BEGIN CERTIFICATE REQUEST-----\n${'A'.repeat(10_000)}`, /none in PEM/],
    ['its DER', good.toString('base64'), /none in PEM/],
  ];
  assert.ok((await readRequest(good.toString('pem'))).publicKey, 'the twin');
  for (const [what, csr, problem] of refusals)
    await assert.rejects(
      readRequest(csr),
      (e) => hasCode(e, 'INVALID') && e.details.field === 'csr' && problem.test(e.message),
      what,
    );
});

it('a bundle says what is in it, whatever order and however often', async () => {
  const pems = await Promise.all([1, 2, 3].map(async () => (await makeAuthority(now)).certificate));
  const twice = parseBundle([...pems, ...pems].join('some words\r\n'));
  assert.equal(twice.length, 6);
  assert.equal(bundleText(twice), pems.join(''));
});

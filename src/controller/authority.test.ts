import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { openSqlite } from '../store/sqlite.ts';
import { makeAuthority } from '../trust/authority-certificate.ts';
import { parseBundle } from '../trust/bundle.ts';
import { makeRequest } from '../trust/request.ts';
import { newSealingKey } from '../trust/sealing-key.ts';
import { derOf, hostCertificate } from '../trust/test-hosts.ts';
import { openTestApi, type TestApi } from './test-api.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const { csr } = await makeRequest('h1');

/** A clock that a test moves. */
class Clock {
  ms = Date.parse('2026-11-22T10:00:00Z');
  readonly now = () => new Date(this.ms);
}
/** A host joins, or joins again. @returns its certificate as TLS has it */
async function join(api: TestApi, name = 'h1', vtep = '198.18.0.1'): Promise<Buffer> {
  const { token } = await api.ok('POST', '/v1/host-tokens', { name });
  return derOf((await api.ok('POST', '/v1/join', { token, csr, name, vtep })).certificate);
}
const renew = async (api: TestApi, name: string): Promise<Buffer> =>
  derOf((await api.ok('POST', `/v1/hosts/${name}/certificate`, { csr })).certificate);

describe('the authority', () => {
  it('A34: is made once, and is the same for every controller of the store, whose copy alone is of no use', async () => {
    await using store = await openSqlite(':memory:');
    const sealingKey = newSealingKey();
    const bundles = [];
    for (let i = 0; i < 2; i++) {
      await using api = await openTestApi({ store, sealingKey });
      bundles.push((await api.authority()).bundle());
    }
    assert.equal(bundles[0], bundles[1]);
    const kept = (await store.range('/')).entries.map(({ value }) => value).join('');
    assert.ok(kept.includes('BEGIN CERTIFICATE') && !kept.includes('PRIVATE KEY'));
    await using thief = await openTestApi({ store });
    await assert.rejects(thief.authority(), { code: 'STORE_BROKEN', message: /secret\.key/ });
  });

  it('is the one that is given, if the store has none yet', async () => {
    await using store = await openSqlite(':memory:');
    const sealingKey = newSealingKey();
    const [given, other] = [await makeAuthority(new Date()), await makeAuthority(new Date())];
    for (const givenAuthority of [given, given, other]) {
      await using api = await openTestApi({ store, sealingKey, givenAuthority });
      assert.equal((await api.authority()).bundle(), given.certificate);
    }
  });

  it('is one, also when two controllers begin at once', async () => {
    await using store = await openSqlite(':memory:');
    const sealingKey = newSealingKey();
    await using one = await openTestApi({ store, sealingKey });
    await using two = await openTestApi({ store, sealingKey });
    const both = await Promise.all([one.authority(), two.authority()]);
    assert.equal(both[0].bundle(), both[1].bundle());
    assert.equal(parseBundle(both[0].bundle()).length, 1);
  });

  it('gives the controller another certificate when half of its time is over, and tells its listeners', async () => {
    const clock = new Clock();
    await using api = await openTestApi({ now: clock.now, names: ['192.0.2.1', 'sdn.example.org', 'no name'] });
    const authority = await api.authority();
    const first = authority.context;
    const told: string[] = [];
    using listening = authority.onRenewed(({ cert }) => told.push(cert));
    assert.match(
      new X509Certificate(first.cert).subjectAltName ?? '',
      /^DNS:localhost, IP Address:127\.0\.0\.1, .*IP Address:192\.0\.2\.1, DNS:sdn\.example\.org, URI:heddle:controller$/,
    );
    clock.ms += 1.4 * dayMs;
    await authority.look();
    assert.deepEqual(told, []);
    clock.ms += 0.2 * dayMs;
    await authority.look();
    assert.deepEqual(told, [authority.context.cert]);
    assert.notEqual(authority.context.key, first.key);
    assert.equal(authority.context.ca, first.ca);
    assert.ok(new X509Certificate(authority.context.cert).validToDate.getTime() > clock.ms + 2 * dayMs);
    clock.ms -= dayMs;
    await authority.look();
    assert.equal(told.length, 2, 'the clock was set back to before it');
    listening[Symbol.dispose]();
    clock.ms += 2 * dayMs;
    await authority.look();
    assert.equal(told.length, 2);
  });

  it('A30: gives no controller the name that is of all hosts', async () => {
    await using api = await openTestApi({ names: ['Agent.Heddle.Internal'] });
    await assert.rejects(api.authority(), {
      code: 'USAGE',
      message: /agent\.heddle\.internal is a name of every host/,
    });
  });

  it('A30: knows its hosts by their certificates, and nobody by another', async () => {
    const clock = new Clock();
    await using api = await openTestApi({ now: clock.now });
    const der = await join(api);
    const authority = await api.authority();
    const { id } = await api.ok('GET', '/v1/hosts/h1');
    const { generation } = api.world.trust.host(id).record;
    for (let i = 0; i < 2; i++) assert.deepEqual(authority.identify(der), { host: id, name: 'h1', generation });
    const foreign = await hostCertificate(await makeAuthority(clock.now()), { id, now: clock.now() });
    const cases: [problem: RegExp, raw: Uint8Array][] = [
      [/of another authority/, derOf(foreign.certificate)],
      [/of no host/, derOf(authority.server)],
      [/of no host/, derOf(authority.bundle())],
      [/unreadable/, Buffer.alloc(100)],
    ];
    for (const [message, raw] of cases)
      assert.throws(() => authority.identify(raw), { code: 'CERTIFICATE_INVALID', message });
    await api.ok('PATCH', '/v1/hosts/h1', { name: 'other' });
    assert.deepEqual(authority.identify(der), { host: id, name: 'other', generation }, 'by its id');
    clock.ms += 3 * dayMs + 1000;
    assert.throws(() => authority.identify(der), { code: 'CERTIFICATE_INVALID', message: /expired/ });
  });

  it('A32: signs for nobody who asked before somebody else joined in its place', async () => {
    await using api = await openTestApi();
    await join(api);
    const authority = await api.authority();
    const { id } = await api.ok('GET', '/v1/hosts/h1');
    const { generation } = api.world.trust.host(id).record;
    assert.equal(authority.identify(derOf((await authority.issueHost(csr, id, generation)).certificate)).name, 'h1');
    const late = Promise.allSettled([authority.issueHost(csr, id, generation)]);
    await api.ok('POST', '/v1/hosts/h1/revoke', {});
    await join(api);
    await assert.rejects(authority.issueHost(csr, id, generation), { code: 'CERTIFICATE_REVOKED' });
    // Made before or not at all: either way it gets nobody in.
    const [answer] = await late;
    const use = () => {
      if (answer.status === 'rejected') throw answer.reason;
      authority.identify(derOf(answer.value.certificate));
    };
    assert.throws(use, { code: 'CERTIFICATE_REVOKED' });
  });

  it('A33: gives a host that was off for weeks another certificate, and nothing else', async () => {
    const clock = new Clock();
    await using api = await openTestApi({ now: clock.now });
    const [h1, h2] = [await join(api), await join(api, 'h2', '198.18.0.2')];
    const authority = await api.authority();
    clock.ms += 30 * dayMs;
    assert.throws(() => authority.identify(h1), { message: /expired/ });
    assert.equal(authority.identify(h1, true).name, 'h1');
    await api.ok('POST', '/v1/hosts/h2/revoke', {});
    assert.throws(() => authority.identify(h2, true), { code: 'CERTIFICATE_REVOKED' });
    clock.ms += 3 * dayMs + 1000;
    assert.throws(() => authority.identify(h1, true), { code: 'CERTIFICATE_INVALID', message: /expired/ });
  });
});

describe('another authority', () => {
  it('is in what hosts get with what leads to the one before, until that is retired', async () => {
    await using api = await openTestApi();
    const before = parseBundle((await api.authority()).bundle())[0]!;
    const shown = async (): Promise<X509Certificate[]> =>
      parseBundle((await api.ok('POST', '/v1/hosts/h1/certificate', { csr })).certificate);
    await join(api);
    assert.equal((await shown()).length, 1);
    await api.ok('POST', '/v1/ca/rotate', {});
    const [host, cross, ...more] = await shown();
    assert.ok(host?.checkIssued(cross!) && host.verify(cross!.publicKey), 'of the new one');
    assert.ok(cross!.checkIssued(before) && cross!.verify(before.publicKey), 'which the old one has signed');
    assert.equal(more.length, 0);
    await api.ok('POST', '/v1/ca/retire', { force: true });
    assert.equal((await shown()).length, 1);
  });

  it('signs from then on; what the one before signed counts until that is retired', async () => {
    await using api = await openTestApi();
    const authority = await api.authority();
    const before = authority.bundle();
    const [h1, h2] = [await join(api), await join(api, 'h2', '198.18.0.2')];
    const status = await api.ok('POST', '/v1/ca/rotate', {});
    assert.deepEqual(
      status.authorities.map(({ signs, hosts }: { signs: boolean; hosts: { name: string }[] }) => [
        signs,
        hosts.map(({ name }) => name),
      ]),
      [
        [true, []],
        [false, ['h1', 'h2']],
      ],
    );
    const bundle = parseBundle(authority.bundle());
    assert.deepEqual([bundle.length, `${bundle[1]}`.trim()], [2, before.trim()]);
    assert.equal(authority.context.cert.match(/BEGIN CERTIFICATE/g)?.length, 2, 'with what leads to the old one');
    assert.equal(authority.pin(), status.authorities[0].pin);
    for (const der of [h1, h2]) assert.ok(authority.identify(der));

    const { authority: older, hosts } = await api.refused('CA_IN_USE', 'POST', '/v1/ca/retire', {});
    assert.deepEqual([older, hosts], [status.authorities[1].id, ['h1', 'h2']]);
    const { older: waits } = await api.refused('CA_ROTATING', 'POST', '/v1/ca/rotate', {});
    assert.equal(waits, older);
    const renewed = await renew(api, 'h1');
    await authority.noteShown(authority.identify(renewed).host, renewed);
    const { hosts: left } = await api.refused('CA_IN_USE', 'POST', '/v1/ca/retire', {});
    assert.deepEqual(left, ['h2']);
    await api.ok('POST', '/v1/hosts/h2/revoke', {});
    const after = await api.ok('POST', '/v1/ca/retire', {});
    assert.equal(after.authorities.length, 1);
    assert.equal(authority.context.cert.match(/BEGIN CERTIFICATE/g)?.length, 1);
    assert.equal(authority.identify(renewed).name, 'h1');
    assert.throws(() => authority.identify(h1), { code: 'CERTIFICATE_INVALID', message: /of another authority/ });
    const revision = api.world.revision;
    await api.ok('POST', '/v1/ca/retire', {});
    assert.equal(api.world.revision, revision, 'there is nothing more to retire');
    await api.ok('POST', '/v1/ca/rotate', {});
  });

  it('leaves out no host whose answers are lost, until it shows that it has a certificate of the new one', async () => {
    await using api = await openTestApi();
    const authority = await api.authority();
    const old = await join(api);
    const { id } = await api.ok('GET', '/v1/hosts/h1');
    const hosts = async () =>
      (await api.ok('GET', '/v1/ca/status')).authorities.map((each: { hosts: unknown[] }) => each.hosts.length);
    await api.ok('POST', '/v1/ca/rotate', {});
    for (let lost = 0; lost < 2; lost++) {
      await renew(api, 'h1');
      await authority.noteShown(id, old);
      assert.deepEqual(await hosts(), [1, 1]);
      await api.refused('CA_IN_USE', 'POST', '/v1/ca/retire', {});
      assert.equal(authority.identify(old).name, 'h1');
    }
    const renewed = await renew(api, 'h1');
    await Promise.all([1, 2].map(() => authority.noteShown(id, renewed)));
    assert.deepEqual(await hosts(), [1, 0]);
    const { revision } = api.world;
    await authority.noteShown(id, renewed);
    assert.equal(api.world.revision, revision, 'once is enough');
    await api.ok('POST', '/v1/ca/retire', {});
    assert.equal(authority.identify(renewed).name, 'h1');

    await api.ok('POST', '/v1/ca/rotate', {});
    await renew(api, 'h1');
    const again = await join(api);
    assert.deepEqual(await hosts(), [1, 0], 'what it was before it joined again counts no more');
    await api.ok('POST', '/v1/ca/retire', {});
    assert.equal(authority.identify(again).name, 'h1');
  });

  it('retired by force, the older one leaves hosts behind, which join again', async () => {
    await using api = await openTestApi();
    const authority = await api.authority();
    const old = await join(api);
    await api.ok('POST', '/v1/ca/rotate', {});
    await api.ok('POST', '/v1/ca/retire', { force: true });
    assert.throws(() => authority.identify(old), { code: 'CERTIFICATE_INVALID' });
    assert.equal(authority.identify(await join(api)).name, 'h1');
  });

  it('A32: retired, its hosts’ connections end at every controller, and those of renewed hosts go on', async (t) => {
    await using store = await openSqlite(':memory:');
    const sealingKey = newSealingKey();
    await using one = await openTestApi({ store, sealingKey });
    await using two = await openTestApi({ store, sealingKey });
    for (const api of [one, two]) await api.authority();
    await join(one);
    const left = await join(one, 'h2', '198.18.0.2');
    await one.ok('POST', '/v1/ca/rotate', {});
    const renewed = await renew(one, 'h1');
    const ended = [one, two].flatMap((api) =>
      [left, renewed].map((raw) => {
        const cut = t.mock.fn();
        const certificate = { raw, validToDate: new Date(Date.now() + dayMs) };
        const socket = { once: () => undefined, getPeerX509Certificate: () => certificate, destroy: cut };
        api.hostSockets.note('any', socket as never);
        return cut;
      }),
    );
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await one.ok('POST', '/v1/ca/retire', { force: true });
    await two.world.reached((await store.range('/')).revision);
    t.mock.timers.tick(1_000);
    assert.deepEqual(
      ended.map(({ mock }) => mock.callCount()),
      [1, 0, 1, 0],
    );
  });

  it('a host that is off keeps the older one, until it could not be renewed any more', async () => {
    const clock = new Clock();
    await using api = await openTestApi({ now: clock.now });
    await join(api);
    await api.ok('POST', '/v1/ca/rotate', {});
    clock.ms += 33 * dayMs - 1000;
    await api.refused('CA_IN_USE', 'POST', '/v1/ca/retire', {});
    clock.ms += 2000;
    assert.equal((await api.ok('POST', '/v1/ca/retire', {})).authorities.length, 1);
  });

  it('made by one controller, is what the other one shows and signs with', async () => {
    await using store = await openSqlite(':memory:');
    const sealingKey = newSealingKey();
    await using one = await openTestApi({ store, sealingKey });
    await using two = await openTestApi({ store, sealingKey });
    const other = await two.authority();
    await one.authority();
    const { promise: renewed, resolve } = Promise.withResolvers<unknown>();
    using _ = other.onRenewed(resolve);
    await one.ok('POST', '/v1/ca/rotate', {});
    await renewed;
    assert.equal(other.bundle(), (await one.authority()).bundle());
    assert.equal(other.identify(await join(one)).name, 'h1');
  });

  it('two at once make one', async () => {
    await using api = await openTestApi();
    await api.authority();
    const answers = await Promise.all([1, 2].map(() => api.request('POST', '/v1/ca/rotate', {})));
    const codes = answers.map(({ body }) => body.code ?? 'rotated').sort();
    assert.equal(codes[1], 'rotated');
    assert.ok(['BUSY', 'CA_ROTATING'].includes(codes[0]), codes[0]);
    assert.equal((await api.ok('GET', '/v1/ca/status')).authorities.length, 2);
  });
});

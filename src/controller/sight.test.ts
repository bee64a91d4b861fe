/** What is shown of many things at once is of what the principal may see: lists, watches, events, sets of documents, the past. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openLines } from './test-lines.ts';
import { hostOf, openTwoTenants, user, users } from './test-principals.ts';

const names = ({ items }: { items: readonly { name: string }[] }): string[] => items.map(({ name }) => name);
const { viewer, operator, none } = users;
const editor = users['tenant-editor'];
const chief = users['tenant-admin'];

describe('A22: lists', () => {
  it('have the tenants in which somebody has a role; of whoever keeps the installation, all, by name', async () => {
    await using api = await openTwoTenants();
    const of = async (who: Parameters<typeof api.as>[0]) => names(await api.as(who).ok('GET', '/v1/tenants'));
    assert.deepEqual(await of(viewer), ['acme']);
    assert.deepEqual(await of(none), []);
    assert.deepEqual(await of(operator), ['acme', 'globex', 'it']);
    assert.deepEqual(await of(hostOf(api, 'h1')), ['acme']);
    assert.deepEqual(await of(hostOf(api, 'h2')), []);
    await api.ok('PATCH', '/v1/hosts/h2', { tenants: ['*'] });
    assert.deepEqual(await of(hostOf(api, 'h2')), ['acme', 'globex', 'it']);
    await api.as(viewer).hidden('/v1/tenants/globex');
  });

  it('have of hosts a glance, which no filter goes beyond; a host has all of itself', async () => {
    await using api = await openTwoTenants();
    await api.ok('PATCH', '/v1/hosts/h1', { labels: { rack: 'r1' }, openPorts: ['tcp/9'] });
    const { items } = await api.as(viewer).ok('GET', '/v1/hosts');
    assert.deepEqual(Object.keys(items[0]).sort(), ['id', 'mtuBytes', 'name', 'revision', 'status', 'vtep']);
    assert.deepEqual(items[0].status, { condition: 'offline' });
    assert.deepEqual(names(await api.as(viewer).ok('GET', '/v1/hosts?label=rack=r1')), []);
    assert.deepEqual(names(await api.as(none).ok('GET', '/v1/hosts')), []);
    await api.as(none).hidden('/v1/hosts/h1');
    const host = api.as(hostOf(api, 'h1'));
    const [own, other] = [await host.ok('GET', '/v1/hosts/h1'), await host.ok('GET', '/v1/hosts/h2')];
    assert.deepEqual(own.labels, { rack: 'r1' });
    assert.deepEqual(Object.keys(other).sort(), ['id', 'mtuBytes', 'name', 'revision', 'status', 'vtep']);
  });
});

describe('A22: watches', () => {
  it('of what is another tenant’s, and what follows it, are refused, as of one that is not there', async () => {
    await using api = await openTwoTenants();
    const at = api.world.revision + 1n;
    for (const who of [viewer, editor, chief, none, operator, hostOf(api, 'h1'), hostOf(api, 'h2')]) {
      const paths = ['networks', 'subnets', 'ports', 'addresses', 'leases', 'routers', 'grants'].map(
        (kind) => `/${kind}`,
      );
      // An operator sees tenants, and nothing in them.
      for (const path of paths)
        if (who === operator) await api.as(who).refused('FORBIDDEN', 'GET', `/v1/tenants/globex${path}?watch=${at}`);
        else
          for (const tenant of ['globex', 'nowhere'])
            await api.as(who).hidden(`/v1/tenants/${tenant}${path}?watch=${at}`);
      if (who.kind === 'host') await api.as(who).refused('FORBIDDEN', 'GET', '/v1/events?follow=true&tenant=globex');
      else if (who !== operator) await api.as(who).hidden('/v1/events?follow=true&tenant=globex');
    }
    using ports = await openLines(api, chief, `/v1/tenants/acme/ports?watch=${at}`);
    await api.ok('POST', '/v1/tenants/acme/ports', { name: 'ours', network: 'web' });
    assert.equal((await ports.next()).object.name, 'ours', 'the twin');
  });

  it('show what the watcher sees, and end when it may not see it any more', async () => {
    await using api = await openTwoTenants();
    using ports = await openLines(api, viewer, `/v1/tenants/acme/ports?watch=${api.world.revision + 1n}`);
    await api.ok('POST', '/v1/tenants/globex/ports', { name: 'theirs', network: 'web' });
    await api.ok('POST', '/v1/tenants/acme/ports', { name: 'ours', network: 'web' });
    assert.equal((await ports.next()).object.name, 'ours');
    await api.ok('DELETE', '/v1/tenants/acme/grants/dev');
    await api.ok('POST', '/v1/tenants/acme/ports', { name: 'later', network: 'web' });
    const last = await ports.next();
    assert.deepEqual([last.type, last.problem.code], ['error', 'NOT_FOUND']);
    assert.equal(await ports.next(), undefined);
  });

  it('of tenants tell of those that the watcher sees, and when one of them goes with its grants', async () => {
    await using api = await openTwoTenants();
    await api.ok('POST', '/v1/tenants', { name: 'short' });
    await api.ok('POST', '/v1/tenants/short/grants', { name: 'vic', subject: 'user:vic', role: 'viewer' });
    using tenants = await openLines(api, viewer, `/v1/tenants?watch=${api.world.revision + 1n}`);
    await api.ok('PATCH', '/v1/tenants/globex', { labels: { a: 'b' } });
    await api.ok('POST', '/v1/tenants', { name: 'new' });
    await api.ok('DELETE', '/v1/tenants/short');
    await api.ok('PATCH', '/v1/tenants/acme', { labels: { a: 'b' } });
    const seen = [await tenants.next(), await tenants.next()];
    assert.deepEqual(
      seen.map(({ type, object }) => [type, object.name]),
      [
        ['delete', 'short'],
        ['put', 'acme'],
      ],
    );
  });

  it('of hosts at a glance tell of what is seen of them, and not that something else was written', async () => {
    await using api = await openTwoTenants();
    using hosts = await openLines(api, viewer, `/v1/hosts?watch=${api.world.revision + 1n}`);
    await api.ok('PATCH', '/v1/hosts/h1', { labels: { a: 'b' } });
    await api.ok('PATCH', '/v1/hosts/h2', { vtep: '198.18.0.22' });
    const { type, object } = await hosts.next();
    assert.deepEqual([type, object.name, object.vtep], ['put', 'h2', '198.18.0.22']);
  });

  it('A29: of a token that is deleted or ends are over', async () => {
    await using api = await openTwoTenants();
    const { id, token } = await api.ok('POST', '/v1/tokens', { user: 'vic', groups: ['dev'] });
    const watched = `/v1/tenants/acme/ports?watch=${api.world.revision + 1n}`;
    using ports = await openLines(api, undefined, watched, { authorization: `Bearer ${token}` });
    await api.ok('DELETE', `/v1/tokens/${id}`);
    await api.ok('POST', '/v1/tenants/acme/ports', { name: 'later', network: 'web' });
    assert.equal((await ports.next()).problem.code, 'UNAUTHENTICATED');
  });
});

describe('A22: events', () => {
  it('are those of what somebody may read', async () => {
    await using api = await openTwoTenants();
    const kindsOf = async (who: Parameters<typeof api.as>[0], query = '') => {
      const { items } = await api.as(who).ok('GET', `/v1/events?${query}`);
      return items as { kind: string; tenantName?: string; name: string }[];
    };
    const seen = await kindsOf(viewer);
    assert.ok(seen.length > 5);
    assert.ok(seen.every(({ tenantName, kind }) => tenantName === 'acme' && kind !== 'grant'));
    assert.ok((await kindsOf(chief)).some(({ kind }) => kind === 'grant'));
    const kept = await kindsOf(operator);
    assert.ok(kept.some(({ kind }) => kind === 'host'));
    assert.ok(kept.every(({ kind }) => kind === 'host' || kind === 'tenant'));
    assert.deepEqual(await kindsOf(none), []);
    for (const query of ['tenant=globex', 'kind=tenant&object=globex', 'kind=host&object=h1', 'tenant=nowhere'])
      await api.as(viewer).hidden(`/v1/events?${query}`);
    const other = api.world.find('port', api.world.find('tenant', '-', 'globex')!.record.id, 'p1')!.record.id;
    await api.as(viewer).hidden(`/v1/events?kind=port&object=${other}`);
    // Both tenants have a port of this name.
    const named = await kindsOf(viewer, 'kind=port&object=p1');
    assert.ok(named.length > 0 && named.every(({ tenantName }) => tenantName === 'acme'));
  });

  it('are followed so, too: others are neither shown nor counted', async () => {
    await using api = await openTwoTenants();
    await api.ok('POST', '/v1/tenants/it/grants', { name: 'dev', subject: 'group:dev', role: 'viewer' });
    for (let i = 0; i < 100; i++) await api.ok('PATCH', '/v1/tenants/globex', { labels: { n: String(i) } });
    const last = (await api.ok('GET', '/v1/events?limit=1000')).items.at(-1).id;
    for (const query of ['', '&tenant=acme']) {
      using lines = await openLines(api, viewer, `/v1/events?follow=true&after=${query ? 1 : last}${query}`);
      if (query) assert.equal((await lines.next()).tenantName, 'acme');
      await api.ok('PATCH', '/v1/tenants/globex', { labels: { again: query.length.toString() } });
      await api.ok('PATCH', '/v1/tenants/acme', { labels: { n: query } });
      for (let line = await lines.next(); ; line = await lines.next()) {
        assert.equal(line.tenantName, 'acme', JSON.stringify(line));
        if (line.type === 'updated') break;
      }
    }
  });
});

describe('A22: documents', () => {
  it('of a set are refused as a whole if one is not the principal’s, before anything is said of others', async () => {
    await using api = await openTwoTenants();
    const network = (tenant: string) => ({ kind: 'network', tenant, name: 'new' });
    const apply = (who: Parameters<typeof api.as>[0], code: 'NOT_FOUND' | 'FORBIDDEN', ...documents: object[]) =>
      api.as(who).refused(code, 'POST', '/v1/apply', { documents });
    // VNI 1 is taken: nothing is said of that.
    const taken = { ...network('acme'), vni: api.world.network.values().next().value!.record.vni };
    assert.deepEqual(await apply(editor, 'NOT_FOUND', taken, network('globex')), { kind: 'tenant', name: 'globex' });
    assert.deepEqual(await apply(editor, 'NOT_FOUND', taken, network('nowhere')), { kind: 'tenant', name: 'nowhere' });
    await apply(editor, 'FORBIDDEN', { kind: 'tenant', name: 'acme' });
    await apply(editor, 'FORBIDDEN', { kind: 'tenant', name: 'globex' });
    await apply(editor, 'FORBIDDEN', { kind: 'host', name: 'h9', vtep: '198.18.0.99' });
    await apply(editor, 'FORBIDDEN', {
      kind: 'grant',
      tenant: 'acme',
      name: 'me',
      subject: 'user:ed',
      role: 'tenant-admin',
    });
    await apply(chief, 'FORBIDDEN', { kind: 'grant', name: 'me', subject: 'user:ada', role: 'admin' });
    await apply(viewer, 'FORBIDDEN', network('acme'));
    await apply(operator, 'FORBIDDEN', network('acme'));
    await api.as(viewer).ok('POST', '/v1/apply', { documents: [network('acme')], dryRun: true });
    await api.as(editor).ok('POST', '/v1/apply', { documents: [network('acme')] });
  });

  it('are pruned of one’s own tenants alone, whoever has a set of the same name', async () => {
    await using api = await openTwoTenants();
    const of = (tenant: string, name: string) => ({ kind: 'network', tenant, name });
    const documents = [of('acme', 'a'), of('globex', 'g'), { kind: 'host', name: 'it', vtep: '198.18.0.9' }];
    await api.ok('POST', '/v1/apply', { documents, set: 's', take: true });
    const { changes } = await api
      .as(editor)
      .ok('POST', '/v1/apply', { documents: [of('acme', 'b')], set: 's', prune: true });
    assert.deepEqual(
      changes.map(({ action, tenant, name }: Record<string, string>) => [action, tenant, name]),
      [
        ['create', 'acme', 'b'],
        ['delete', 'acme', 'a'],
      ],
    );
    const more = { documents: [of('acme', 'b')], set: 's', prune: true, tenant: 'globex' };
    await api.as(editor).refused('NOT_FOUND', 'POST', '/v1/apply', more);
  });

  it('are exported of what is one’s own, with ids of other tenants’ routers; they apply again', async () => {
    await using api = await openTwoTenants();
    const id = (await api.ok('GET', '/v1/tenants/globex/routers/it')).id;
    await api.ok('PATCH', '/v1/tenants/acme/routers/it', { peers: [id] });
    const { documents } = await api.as(editor).ok('GET', '/v1/export');
    assert.ok(!JSON.stringify(documents).includes('globex'));
    assert.ok(documents.every((d: { kind: string; tenant?: string }) => d.tenant === 'acme' && d.kind !== 'grant'));
    assert.deepEqual(documents.find((d: { kind: string }) => d.kind === 'router').peers, [id]);
    const before = api.world.revision;
    const { changes } = await api.as(editor).ok('POST', '/v1/apply', { documents, dryRun: true });
    assert.deepEqual(new Set(changes.map(({ action }: { action: string }) => action)), new Set(['adopt']));
    assert.equal(api.world.revision, before);
    const named = { kind: 'router', tenant: 'acme', name: 'it', peers: ['globex/it'] };
    const refused = await api.as(editor).refused('DOCUMENTS_REFUSED', 'POST', '/v1/apply', { documents: [named] });
    const unknown = { ...named, peers: ['nowhere/it'] };
    const other = await api.as(editor).refused('DOCUMENTS_REFUSED', 'POST', '/v1/apply', { documents: [unknown] });
    assert.equal(JSON.stringify(refused).replaceAll('globex', 'nowhere'), JSON.stringify(other));
    await api.ok('POST', '/v1/apply', { documents: [named], dryRun: true });
    await api.as(editor).hidden('/v1/export?tenant=globex');
    assert.ok(
      (await api.as(chief).ok('GET', '/v1/export')).documents.some((d: { kind: string }) => d.kind === 'grant'),
    );
    await api.as(none).refused('FORBIDDEN', 'GET', '/v1/export');
  });

  it('have plans of hosts without what is others’', async () => {
    await using api = await openTwoTenants();
    const router = (tenant: string) => `/v1/tenants/${tenant}/routers/it`;
    for (const [i, tenant] of ['acme', 'globex'].entries()) {
      const t = `/v1/tenants/${tenant}`;
      await api.ok('POST', `${t}/networks`, { name: 'db' });
      await api.ok('POST', `${t}/subnets`, { name: 'db', network: 'db', cidr: `10.2${i}.0.0/24` });
      await api.ok('POST', `${t}/ports`, { name: 'db', network: 'db', host: 'h1' });
    }
    const [ours, theirs] = await Promise.all(['acme', 'globex'].map((t) => api.ok('GET', router(t))));
    await api.ok('PATCH', router('globex'), { peers: [ours.id], subnets: ['db'] });
    const body = {
      documents: [{ kind: 'router', tenant: 'acme', name: 'it', subnets: ['db'], peers: [theirs.id] }],
      plan: true,
    };
    const kindsOf = (hosts: { items: { kind: string; name: string }[] }[]) =>
      hosts.flatMap(({ items }) => items.map(({ kind, name }) => `${kind} ${name}`));
    const [all, own] = [await api.ok('POST', '/v1/apply', body), await api.as(editor).ok('POST', '/v1/apply', body)];
    assert.equal(kindsOf(all.hosts).filter((text) => text === 'router it').length, 2, 'both routers change on h1');
    assert.equal(kindsOf(own.hosts).filter((text) => text === 'router it').length, 1);
  });
});

describe('A22: the past', () => {
  it('differs and comes back in one’s own tenant alone, and without what is not its objects’', async () => {
    await using api = await openTwoTenants();
    const since = String(api.world.revision);
    await api.ok('PATCH', '/v1/tenants/acme', { labels: { a: 'b' } });
    for (const tenant of ['acme', 'globex']) {
      await api.ok('DELETE', `/v1/tenants/${tenant}/ports/it`);
      await api.ok('DELETE', `/v1/tenants/${tenant}/grants/it`);
    }
    await api.ok('PATCH', '/v1/hosts/h1', { labels: { a: 'b' } });
    const diff = async (who: Parameters<typeof api.as>[0], more = '') => {
      const { changes, total } = await api.as(who).ok('GET', `/v1/diff?since=${since}${more}`);
      assert.equal(total, changes.length);
      return changes.map(({ kind, tenant, name }: Record<string, string>) => [kind, tenant ?? '-', name].join(' '));
    };
    assert.deepEqual(await diff(viewer), ['tenant - acme', 'port acme it']);
    assert.deepEqual(await diff(chief), ['tenant - acme', 'port acme it', 'grant acme it']);
    assert.deepEqual(await diff(operator), ['tenant - acme', 'host - h1']);
    await api.as(none).refused('FORBIDDEN', 'GET', `/v1/diff?since=${since}`);
    await api.as(viewer).hidden(`/v1/diff?since=${since}&tenant=globex`);

    const back = { to: since };
    await api.as(editor).refused('FORBIDDEN', 'POST', '/v1/rollback', back);
    await api.as(editor).refused('NOT_FOUND', 'POST', '/v1/rollback', { ...back, tenant: 'globex' });
    await api.as(viewer).refused('FORBIDDEN', 'POST', '/v1/rollback', { ...back, tenant: 'acme' });
    const { changes } = await api.as(editor).ok('POST', '/v1/rollback', { ...back, tenant: 'acme' });
    assert.deepEqual(
      changes.map(({ action, kind, name }: Record<string, string>) => [action, kind, name]),
      [['create', 'port', 'it']],
    );
    assert.deepEqual((await api.ok('GET', '/v1/tenants/acme')).labels, { a: 'b' });
  });

  it('A24: gives back no right that was taken, to nobody', async () => {
    await using api = await openTwoTenants();
    const since = String(api.world.revision);
    await api.ok('DELETE', '/v1/tenants/acme/grants/ed');
    await api.ok('PATCH', '/v1/hosts/h1', { tenants: [] });
    await api.ok('POST', '/v1/rollback', { to: since });
    await api.as(editor).hidden('/v1/tenants/acme');
    assert.deepEqual((await api.ok('GET', '/v1/hosts/h1')).tenants, []);
  });

  it('is that of the tenant itself, and not of others that had its name', async () => {
    await using api = await openTwoTenants();
    await api.ok('PATCH', '/v1/tenants/globex', { name: 'initech' });
    await api.ok('PATCH', '/v1/tenants/acme', { name: 'globex' });
    const { items } = await api.as(viewer).ok('GET', '/v1/tenants/globex/history');
    const { id } = await api.ok('GET', '/v1/tenants/globex');
    assert.ok(items.length > 0 && items.every((entry: { id: string }) => entry.id === id));
    const all = await api.ok('GET', '/v1/tenants/globex/history');
    assert.ok(
      all.items.some((entry: { id: string }) => entry.id !== id),
      'nothing is hidden from root',
    );
  });
});

describe('A22: the condition', () => {
  it('is of one’s own tenants; of whoever keeps the installation, by number alone of tenants', async () => {
    await using api = await openTwoTenants();
    const pools = [{ first: '10.9.0.2', last: '10.9.0.2' }];
    for (const tenant of ['acme', 'globex']) {
      const t = `/v1/tenants/${tenant}`;
      await api.ok('POST', `${t}/subnets`, { name: 'full', network: 'web', cidr: '10.9.0.0/24', pools });
      await api.ok('POST', `${t}/ports`, { network: 'web', addresses: ['10.9.0.2'] });
    }
    const status = (who: Parameters<typeof api.as>[0]) => api.as(who).ok('GET', '/v1/status');
    const all = await api.ok('GET', '/v1/status');
    const own = await status(viewer);
    assert.ok(!JSON.stringify(own).includes('globex'));
    assert.ok(own.ports.total < all.ports.total && own.ports.total > 0);
    assert.deepEqual(new Set(own.problems.map((p: { tenant?: string }) => p.tenant)), new Set(['acme']));
    assert.ok(own.well, 'hosts that are away are not its');
    const kept = await status(operator);
    assert.deepEqual(kept.ports, all.ports);
    const full = kept.problems.filter((p: { problem: string }) => p.problem === 'POOL_NEARLY_FULL');
    assert.deepEqual(full.map(({ tenant, name, text }: Record<string, string>) => [tenant, name, text]).sort(), [
      ['acme', undefined, '1 of its subnets'],
      ['globex', undefined, '1 of its subnets'],
    ]);
    assert.ok(kept.problems.some((p: { problem: string }) => p.problem === 'HOST_OFFLINE'));
  });
});

it('a role holds for everybody in a group, and ends with its grant', async () => {
  await using api = await openTwoTenants();
  const of = (groups: string[]) => api.as(user('zoe', { groups }));
  await of(['dev']).ok('GET', '/v1/tenants/acme/ports');
  await of(['ops']).hidden('/v1/tenants/acme/ports');
  await api.ok('PATCH', '/v1/tenants/acme/grants/dev', { role: 'tenant-editor' });
  await of(['dev']).ok('POST', '/v1/tenants/acme/networks', { name: 'zoes' });
  await api.ok('DELETE', '/v1/tenants/acme/grants/dev');
  await of(['dev']).hidden('/v1/tenants/acme/ports');
});

it('a grant gives a role of the place where it is, and none above it', async () => {
  await using api = await openTwoTenants();
  const grant = (role: string) => ({ name: 'x', subject: 'user:x', role });
  for (const role of ['admin', 'operator'])
    await api.as(chief).refused('INVALID', 'POST', '/v1/tenants/acme/grants', grant(role));
  for (const role of ['tenant-admin', 'tenant-editor', 'viewer'])
    await api.refused('INVALID', 'POST', '/v1/grants', grant(role));
  await api.as(chief).ok('POST', '/v1/tenants/acme/grants', grant('viewer'));
  await api.as(chief).refused('INVALID', 'PATCH', '/v1/tenants/acme/grants/x', { role: 'admin' });
  await api.as(chief).refused('IMMUTABLE', 'PATCH', '/v1/tenants/acme/grants/x', { subject: 'user:y' });
  // Both tenants may have a grant of the same name: none tells of the other's.
  await api.ok('POST', '/v1/tenants/globex/grants', grant('viewer'));
  for (const subject of ['alice', 'user:', 'group: x', 'host:h1', 'user:a b', `user:${'a'.repeat(200)}`])
    await api.refused('INVALID', 'POST', '/v1/grants', { name: 'y', subject, role: 'admin' });
});

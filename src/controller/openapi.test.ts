import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fastify } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { registerRoutes } from './app.ts';
import { openapiDocument } from './openapi.ts';
import { openapiPathOf } from './paths.ts';
import { openFurnishedApi } from './test-api.ts';

it('describes every route that is registered, and no other', async () => {
  const app = fastify({ exposeHeadRoutes: false });
  const routed: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    routed.push(`${method} ${openapiPathOf(url)}`);
  });
  registerRoutes(app, {} as never);
  await app.close();
  const { paths } = openapiDocument();
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(described.sort(), routed.sort());
});

it('has for every path its parameters, for every operation an id of its own, and no dangling reference', () => {
  const document = openapiDocument();
  const ids = new Set<string>();
  for (const [path, operations] of Object.entries(document.paths))
    for (const { operationId, parameters = [] } of Object.values(operations)) {
      assert.ok(!ids.has(operationId), operationId);
      ids.add(operationId);
      const named = (parameters as { in: string; name: string }[]).filter((p) => p.in === 'path').map((p) => p.name);
      assert.deepEqual(
        named,
        [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]),
        path,
      );
    }
  for (const [, kind, name] of JSON.stringify(document).matchAll(/"#\/components\/(\w+)\/(\w+)"/g))
    assert.ok(name! in document.components[kind as 'schemas' | 'responses'], `${kind}/${name}`);
});

it('is served, and what the API answers fits it', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', '/v1/tenants/acme/ports', { network: 'web', host: 'h1' });
  await api.ok('POST', '/v1/tenants/acme/leases', { network: 'web', host: 'h1', size: 2 });
  const served = await api.ok('GET', '/v1/openapi.json');
  assert.deepEqual(served, JSON.parse(JSON.stringify(openapiDocument())));
  for (const [kind, path] of Object.entries({
    Tenant: '/v1/tenants',
    Network: '/v1/tenants/acme/networks',
    Subnet: '/v1/tenants/acme/subnets',
    Port: '/v1/tenants/acme/ports',
    Lease: '/v1/tenants/acme/leases',
    Host: '/v1/hosts',
  })) {
    const check = compileCheck(served.components.schemas[kind]);
    const { items } = await api.ok('GET', path);
    assert.ok(items.length > 0, kind);
    for (const item of items) check(item);
  }
  const get = served.paths['/v1/tenants/{tenant}/ports/{port}'].get.responses[200].content['application/json'].schema;
  assert.deepEqual(get.properties.counters.anyOf[0], { $ref: '#/components/schemas/PortCounters' });
  compileCheck(served.components.schemas.PortCounters)({
    txPackets: '1',
    txBytes: '2',
    rxPackets: '3',
    rxBytes: '4',
    reasons: { NOT_IP: '5' },
  });
});

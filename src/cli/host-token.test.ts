/** What a command says that makes a token for a host that is there. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openTwoTenants, users } from '../controller/test-principals.ts';
import { buildProgram } from './program.ts';

it('a token for a host says which of its tenants whoever makes it cannot give, and the host loses', async () => {
  await using api = await openTwoTenants({
    // Whoever comes by the socket is the operator.
    identify: async ({ raw }) =>
      raw.socket.remotePort === undefined ? { kind: 'local', name: 'root' } : users.operator,
  });
  await api.ok('POST', '/v1/tenants/acme/grants', { name: 'olga', subject: 'user:olga', role: 'tenant-admin' });
  const controller = await api.app.listen({ host: '127.0.0.1', port: 0 });
  const said = async (name: string, ...words: string[]) => {
    let err = '';
    const io = {
      ...{ out: () => undefined, colour: false, signal: new AbortController().signal },
      err: (text: string) => {
        err += text;
      },
    };
    const all = ['host', 'token', 'create', '--name', name, ...words, '--controller', controller];
    await buildProgram(io).parseAsync(all, { from: 'user' });
    return err;
  };
  const loses = /^.* loses .*$/m;
  assert.doesNotMatch(await said('h1'), loses);
  await api.ok('PATCH', '/v1/hosts/h1', { tenants: ['acme', 'globex'] });
  assert.equal(loses.exec(await said('h1'))?.[0], 'h1 loses globex by it: you may not give a host rights there');
  assert.doesNotMatch(await said('h1', '--tenants', 'acme'), loses, 'it is said which it keeps');
  assert.doesNotMatch(await said('new'), loses);
  await api.ok('PATCH', '/v1/hosts/h1', { tenants: ['*'] });
  const every = await said('h1');
  assert.match(every, /^h1 loses every tenant by it/);
  assert.match(every, /its users may attach in no tenant/);
});

/** What is done with a whole token that was pasted where its id is asked for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { HeddleError } from '../model/errors.ts';
import { tokenIdOf } from '../model/token.ts';
import { reportError } from './exit.ts';
import { buildProgram } from './program.ts';

const secret = 'qg3vfapucwoASGyiWx1woDQm9iEXpJ_L8WHFxC4_09c';
const token = `hdt_71ef76ce2e5c7c87_${secret}`;
const joinToken = `hdj_a873b165f5b7_${secret}_${secret}`;

/** What a command asks of a controller that does it, and prints. */
async function run(...words: string[]) {
  const asked: string[] = [];
  let printed = '';
  const print = (text: string) => {
    printed += text;
  };
  await using server = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    response.writeHead(204).end();
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const io = { out: print, err: print, colour: false, signal: new AbortController().signal };
  const controller = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await buildProgram(io).parseAsync([...words, '--controller', controller], { from: 'user' });
  server.closeAllConnections();
  return { asked, printed };
}

it('its id alone is sent and printed', async () => {
  for (const text of [token, ` ${token}\n`, '71ef76ce2e5c7c87']) {
    const { asked, printed } = await run('token', 'delete', text);
    assert.deepEqual(asked, ['DELETE /v1/tokens/71ef76ce2e5c7c87']);
    assert.equal(printed, 'token 71ef76ce2e5c7c87 deleted\n');
  }
  const { asked, printed } = await run('host', 'token', 'delete', joinToken, '--json');
  assert.deepEqual(asked, ['DELETE /v1/host-tokens/a873b165f5b7']);
  assert.deepEqual(JSON.parse(printed), { deleted: ['a873b165f5b7'] });
});

it('is cut however it is mangled', () => {
  for (const [text, id] of [
    [token.slice(0, -5), '71ef76ce2e5c7c87'],
    [`hdt_71ef76ce2e5c7c87${secret}`, '71ef76ce2e5c7c87'],
    [joinToken, 'a873b165f5b7'],
    ['hdt_', 'hdt_'],
    ['a873b165f5b7', 'a873b165f5b7'],
  ] as const)
    assert.equal(tokenIdOf(text), id);
});

it('is not repeated by an error, of whatever it was typed for', () => {
  for (const json of [true, false]) {
    let printed = '';
    const err = (text: string) => {
      printed += text;
    };
    const io = { out: err, err, colour: false, signal: new AbortController().signal };
    const e = new HeddleError('CONTEXT_UNKNOWN', { context: token, known: [joinToken, 'prod'] });
    reportError(io, e, json);
    assert.match(printed, /hdj_a873b165f5b7_….*prod/);
    assert.ok(!printed.includes(secret), printed);
  }
});

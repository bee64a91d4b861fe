import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../client/client.ts';
import { HeddleError } from '../model/errors.ts';
import { reportError } from './exit.ts';

/** What a command that ends with this error says besides it. */
function hintOf(e: unknown): string | undefined {
  const lines: string[] = [];
  const tell = (text: string) => void lines.push(text);
  reportError({ out: tell, err: tell, colour: false, signal: new AbortController().signal }, e, false);
  return /hint: (.*)$/m.exec(lines.join(''))?.[1];
}
const unreachable = (address: string, code: string) =>
  new HeddleError('CONTROLLER_UNREACHABLE', { address, problem: code }, Object.assign(new Error(code), { code }));

test('who may not open the socket, or finds none, is told to log in; of an address nothing of sockets is said', async () => {
  const local = 'unix:/run/heddle/controller.sock';
  assert.match(hintOf(unreachable(local, 'EACCES')) ?? '', /root.*heddle login <address>/);
  const none = await openClient('unix:/nosuch/controller.sock')
    .list('host')
    .catch((e: unknown) => e);
  assert.match(hintOf(none) ?? '', /^no controller listens there.*heddle login <address>/);
  for (const other of [unreachable(local, 'ECONNREFUSED'), unreachable('https://192.0.2.1:7470', 'EACCES')])
    assert.match(hintOf(other) ?? '', /^is it running/);
});

test('where an error says what to do, no hint says another thing', () => {
  const taken = { kind: 'host', name: 'h1' };
  assert.match(hintOf(new HeddleError('NAME_TAKEN', taken)) ?? '', /choose another name/);
  assert.equal(hintOf(new HeddleError('NAME_TAKEN', { ...taken, instead: 'if this is the same one: …' })), undefined);
});

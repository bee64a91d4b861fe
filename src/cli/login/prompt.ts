/** What is asked of a person, on standard error and standard input. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { HeddleError } from '../../model/errors.ts';
import { readTyped } from '../file-text.ts';
import type { Io } from '../io.ts';

/** Whether there is somebody to ask. */
export const isAsked = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** A question that "y" or "yes" answers with yes, and all else with no. */
export const confirm = async (io: Io, question: string): Promise<boolean> =>
  /^y(es)?$/i.test((await ask(io, question, true)).trim());

/** A secret, which is not shown. */
export async function askSecret(io: Io, question: string): Promise<string> {
  const secret = await ask(io, question, false);
  io.err('\n');
  return secret;
}

async function ask(io: Io, question: string, isShown: boolean): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // Its own echo is that of the line editor; without it nothing is shown.
  const lines = createInterface({ input: process.stdin, output: isShown ? process.stderr : nowhere, terminal: true });
  // In raw mode the terminal sends no signal.
  lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    // From here on nothing is echoed, however soon it is typed.
    io.err(question);
    return await lines.question('', { signal: io.signal });
  } finally {
    lines.close();
  }
}

/** Most characters of a token. */
const TOKEN_CHARS = 12_288;

/** A token of standard input, in one line. @throws USAGE */
export async function readToken(from: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of from) {
    text += chunk;
    if (text.length > TOKEN_CHARS) break;
  }
  return parseToken(text);
}

/** The same of a file. @param what by which it was named, for people @throws USAGE */
export const readTokenFile = (what: string, file: string): string => parseToken(readTyped(what, file));

/** A token as it was typed, or is in a file. @throws USAGE; nothing of it is in the text */
export function parseToken(text: string): string {
  const token = text.trim();
  if (token.length > TOKEN_CHARS || !/^[\x21-\x7e]+$/.test(token))
    throw new HeddleError('USAGE', { problem: 'this is no token: it is one line without spaces' });
  return token;
}

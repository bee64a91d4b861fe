/** Options that are long texts: typed, or read from a file. */
import { readFileSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';

/** How one is written, for help. */
export const fileForm = (what: string): string => `${what}|@file`;

/** The text, or with @ before it what is in the file of that path. @throws USAGE */
export function fileText(flag: string, text: string): string {
  if (!text.startsWith('@')) return text;
  try {
    return readFileSync(text.slice(1), 'utf8');
  } catch (cause) {
    throw new HeddleError('USAGE', { problem: `--${flag} ${text}: ${(cause as Error).message}` }, cause);
  }
}

/** The keys of such a text, as in an authorized_keys file: one a line, without comments. @throws USAGE */
export const fileKeys = (flag: string, text: string): string[] =>
  fileText(flag, text)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

/** Options that are in files, or long texts that may be. */
import { readFileSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';

/** How one is written, for help. */
export const fileForm = (what: string): string => `${what}|@file`;

/** The text, or with @ before it what is in the file of that path. @throws USAGE */
export function fileText(flag: string, text: string): string {
  return text.startsWith('@') ? readTyped(`--${flag} ${text}`, text.slice(1)) : text;
}

/** What is in a file that was named. @param what by which it was named, for people @throws USAGE */
export function readTyped(what: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HeddleError('USAGE', { problem: `${what}: ${(cause as Error).message}` }, cause);
  }
}

/** The keys of such a text, as in an authorized_keys file: one a line, without comments. @throws USAGE */
export const fileKeys = (flag: string, text: string): string[] =>
  fileText(flag, text)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

import { existsSync, readFileSync } from 'node:fs';

/** The last lines of a log, for an error's text. */
export function tail(file: string, lines = 12): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return [`last lines of ${file}:`, ...text.trimEnd().split('\n').slice(-lines)].join('\n');
}

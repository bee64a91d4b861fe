/** What an engine once called, and how to call it again: ids, addresses and prefixes are then others. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Call {
  readonly method: string;
  /** null: no body. */
  readonly request: unknown;
  readonly reply: unknown;
}
export interface Recording {
  readonly name: string;
  readonly calls: readonly Call[];
}

export const folder = join(import.meta.dirname, 'recordings');

/** All recordings. */
export function recordings(): Recording[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.jsonl'))
    .sort()
    .map((file) => {
      const [, ...lines] = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
      return { name: file.replace(/\.jsonl$/, ''), calls: lines.map((line) => JSON.parse(line) as Call) };
    });
}

/** Names of the recording for those of this run, as the answers have brought them. */
export class Translation {
  readonly #now = new Map<string, string>();

  /** What was asked for then, as it must be asked for now. */
  ask(value: unknown): unknown {
    if (typeof value === 'string') return this.#text(value);
    if (Array.isArray(value)) return value.map((v) => this.ask(v));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, this.ask(v)]));
  }
  /** An address with a prefix length is translated with or without it. */
  #text(text: string): string {
    const [address = '', length] = text.split('/');
    const whole = this.#now.get(text);
    if (whole !== undefined) return whole;
    const now = this.#now.get(address);
    return now === undefined ? text : length === undefined ? now : `${now}/${length}`;
  }

  /** Learns from an answer then and now. */
  learn(then: unknown, now: unknown): void {
    if (typeof then === 'string' && typeof now === 'string') {
      this.#now.set(then, now);
      if (then.includes('/') && now.includes('/')) this.#now.set(then.replace(/\/.*/, ''), now.replace(/\/.*/, ''));
      return;
    }
    if (then === null || now === null || typeof then !== 'object' || typeof now !== 'object') return;
    for (const [key, value] of Object.entries(then))
      if (key !== 'Err' && key !== 'Error') this.learn(value, (now as Record<string, unknown>)[key]);
  }
}

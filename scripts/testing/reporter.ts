/** A reporter for node:test that writes one line of JSON per outcome; runFile reads them. */
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/** One line. */
export type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly name: string; readonly error: string }
  | { readonly kind: 'skipped'; readonly name: string }
  /** What a test says by t.diagnostic. */
  | { readonly kind: 'note'; readonly text: string };

/** Node's own counts, which it reports as diagnostics too. */
const summary = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;
const line = (outcome: Outcome): string => `${JSON.stringify(outcome)}\n`;

/** Suites do not count, except for failing by themselves: in a hook of theirs, for instance. */
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names: string[] = [];
  for await (const event of source) {
    if (event.type === 'test:diagnostic' && !summary.test(event.data.message)) {
      yield line({ kind: 'note', text: event.data.message });
    }
    if (event.type !== 'test:start' && event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    names.length = event.data.nesting;
    names.push(event.data.name);
    const outcome = event.type === 'test:start' ? undefined : outcomeOf(event, names.join(' › '));
    if (outcome) yield line(outcome);
  }
}

function outcomeOf(event: Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>, name: string): Outcome | undefined {
  const { skip, todo } = event.data;
  const reason = skip ?? todo;
  if (reason !== undefined && reason !== false) {
    return { kind: 'skipped', name: typeof reason === 'string' && reason ? `${name} (${reason})` : name };
  }
  if (event.type === 'test:pass') return event.data.details.type === 'suite' ? undefined : { kind: 'passed' };
  const error: Error & { failureType?: string } = event.data.details.error;
  if (error.failureType === 'subtestsFailed') return undefined;
  return { kind: 'failed', name, error: inspect(error.cause ?? error) };
}

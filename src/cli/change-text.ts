/** Changes of objects, as people read them. */
import type { ApplyResult, HostPlan } from '../model/apply.ts';
import type { FieldChange, ObjectChange } from '../model/change.ts';
import { documentName } from '../model/document.ts';
import { type Io, paint } from './io.ts';
import type { Names } from './show.ts';
import { printable } from './table.ts';

/** Longest value that is shown, characters; `--json` has all of it. */
const VALUE_CHARS = 200;

const done: Readonly<Record<ObjectChange['action'], string>> = {
  create: 'created',
  update: 'updated',
  delete: 'deleted',
  adopt: 'adopted',
  unchanged: 'unchanged',
};
const signs = { create: ['+', 'green'], update: ['~', 'yellow'], delete: ['-', 'red'] } as const;

/** What was done, or would be: one line for each object that changes, then their number. */
export function doneText({ changes, revision }: Pick<ApplyResult, 'changes' | 'revision'>, isDry: boolean): string {
  const lines = changes
    .filter(({ action }) => action !== 'unchanged')
    .map((change) => {
      const fields = change.action === 'update' ? `: ${change.fields.map(({ field }) => field).join(', ')}` : '';
      return `${documentName(change)} ${isDry ? 'would be ' : ''}${done[change.action]}${fields}`;
    });
  const end = isDry ? '; nothing was written' : ` (revision ${revision})`;
  return [...lines.map(printable), `${countText(changes)}${end}`].map((line) => `${line}\n`).join('');
}

function countText(changes: readonly ObjectChange[]): string {
  const counts = (Object.keys(done) as ObjectChange['action'][]).flatMap((action) => {
    const n = changes.filter((c) => c.action === action).length;
    return n > 0 ? [`${n} ${done[action]}`] : [];
  });
  return counts.join(', ') || 'nothing differs';
}

/** What is different: every object with its fields. */
export function differenceText(io: Io, changes: readonly ObjectChange[], names: Names = new Map()): string {
  return changes
    .filter(isDifferent)
    .map((change) => {
      const lines = shownFields(change).map((field) => `    ${fieldText(field, names)}\n`);
      return `${signedLine(io, change.action, documentName(change))}${lines.join('')}`;
    })
    .join('');
}

/** The object itself is different, not only whose it is. */
export const isDifferent = <C extends Pick<ObjectChange, 'action'>>(
  change: C,
): change is C & { action: keyof typeof signs } => change.action in signs;

/** The fields that are worth showing: of what is gone none, of what is new those that it does not have by itself. */
export function shownFields({ action, fields }: { action: string; fields: readonly FieldChange[] }) {
  if (action === 'delete') return [];
  if (action !== 'create') return fields;
  return fields.filter(({ after }) => after !== false && !(Array.isArray(after) && after.length === 0));
}

function signedLine(io: Io, action: keyof typeof signs, text: string): string {
  const [sign, colour] = signs[action];
  return `${paint(io, colour, `${sign} ${printable(text)}`)}\n`;
}

/** "mtuBytes: 1500 -> 1400"; of what was not there before, its value alone. */
export function fieldText({ field, before, after }: FieldChange, names: Names): string {
  const values = before === undefined ? [after] : [before, after];
  return printable(`${field}: ${values.map((value) => valueText(value, names)).join(' -> ')}`);
}

/** A value: ids of other objects as their names. */
function valueText(value: unknown, names: Names): string {
  if (value === undefined) return 'none';
  const named = (v: unknown): unknown => (typeof v === 'string' ? (names.get(v) ?? v) : v);
  const shown = Array.isArray(value) ? value.map(named) : named(value);
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown);
  return text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS)}…` : text;
}

/** Host by host, what each would know otherwise. */
export function planText(io: Io, hosts: readonly HostPlan[]): string {
  if (hosts.length === 0) return '\nno host would change anything\n';
  return hosts
    .map(({ host, items }) => {
      const lines = items.map(({ action, kind, name }) => `  ${signedLine(io, action, `${kind} ${name}`)}`);
      return `\nhost ${printable(host)}\n${lines.join('')}`;
    })
    .join('');
}

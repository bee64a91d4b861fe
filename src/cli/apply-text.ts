/** What a set of documents changes, for people. */
import type { ApplyResult, HostPlan, ObjectChange } from '../model/apply.ts';
import { documentName } from '../model/document.ts';
import type { FieldChange } from '../model/field-changes.ts';
import { type Io, paint } from './io.ts';
import { printable } from './table.ts';

const done: Readonly<Record<ObjectChange['action'], string>> = {
  create: 'created',
  update: 'updated',
  delete: 'deleted',
  adopt: 'adopted',
  unchanged: 'unchanged',
};
const signs = { create: '+', add: '+', update: '~', change: '~', delete: '-', remove: '-' } as const;
const colours = { '+': 'green', '~': 'yellow', '-': 'red' } as const;

/** One line for each object that changes, and their number. */
export function appliedText({ changes, revision }: ApplyResult, isDry: boolean): string {
  const lines = changes
    .filter(({ action }) => action !== 'unchanged')
    .map((change) => {
      const fields = change.action === 'update' ? `: ${change.fields.map(({ field }) => field).join(', ')}` : '';
      return `${documentName(change)} ${isDry ? 'would be ' : ''}${done[change.action]}${fields}`;
    });
  return [
    ...lines.map(printable),
    `${countText(changes)}${isDry ? '; nothing was written' : ` (revision ${revision})`}`,
  ]
    .join('\n')
    .concat('\n');
}

function countText(changes: readonly ObjectChange[]): string {
  const counts = (Object.keys(done) as ObjectChange['action'][]).flatMap((action) => {
    const n = changes.filter((c) => c.action === action).length;
    return n > 0 ? [`${n} ${done[action]}`] : [];
  });
  return counts.join(', ') || 'no documents';
}

/** Every field of every object that changes. */
export const differenceText = (io: Io, changes: readonly ObjectChange[]): string =>
  changes
    .filter(isDifferent)
    .map((change) => `${headText(io, change)}${fieldsText(change.fields)}`)
    .join('');

/** The object itself is different, not only whose it is. */
export const isDifferent = ({ action }: ObjectChange): boolean => action !== 'unchanged' && action !== 'adopt';

function headText(io: Io, change: ObjectChange): string {
  const sign = signs[change.action as keyof typeof signs];
  return `${paint(io, colours[sign], `${sign} ${printable(documentName(change))}`)}\n`;
}

function fieldsText(fields: readonly FieldChange[]): string {
  return fields
    .map(({ field, before, after }) => {
      const values = [before, after].filter((v) => v !== undefined).map(valueText);
      return `    ${printable(`${field}: ${values.join(' → ')}${after === undefined ? ' → none' : ''}`)}\n`;
    })
    .join('');
}

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Host by host, what each would know otherwise. */
export function planText(io: Io, hosts: readonly HostPlan[]): string {
  if (hosts.length === 0) return '\nno host would change anything\n';
  return hosts
    .map(({ host, items }) => {
      const lines = items.map(({ action, kind, name }) => {
        const sign = signs[action];
        return `  ${paint(io, colours[sign], `${sign} ${printable(`${kind} ${name}`)}`)}\n`;
      });
      return `\nhost ${printable(host)}\n${lines.join('')}`;
    })
    .join('');
}

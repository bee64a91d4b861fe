/** Records of the audit log, as people read them. */
import type { AuditField, AuditRecord } from '../model/audit.ts';
import { fieldText, shownFields } from './change-text.ts';

/** Fields that are named in a line; `--json` has all. */
const FIELDS_SHOWN = 6;

/** "network acme/web"; of what has no name, what there is. */
export function subjectText({ kind, name, object, tenantName }: AuditRecord): string {
  const named = name ?? object;
  const isTenant = kind === 'tenant' || kind === 'quota';
  const owner = tenantName === undefined || isTenant ? '' : `${tenantName}/`;
  return [kind, named === undefined ? owner.slice(0, -1) : `${owner}${named}`].filter(Boolean).join(' ') || '-';
}

/** What was written, or why not: of what a host refused by itself, in its words. */
export function whatText(record: AuditRecord): string {
  const { action, code, told, method, route, count, since, until, fields = [], moreFields = 0 } = record;
  if (told) return `${code} ${told.who}: ${told.asked}: ${told.why}`;
  if (action === 'refused') return [code, method, route].filter(Boolean).join(' ');
  if (action === 'unrecorded') return `${count} more refusals, ${since} to ${until}`;
  if (action === 'forgotten' && count !== undefined) return `${count} records, ${since} to ${until}`;
  const shown = action === 'forgotten' ? fields : (shownFields({ action, fields }) as readonly AuditField[]);
  const texts = shown
    .slice(0, FIELDS_SHOWN)
    .map(({ withheld, ...field }) =>
      withheld ? `${field.field} (${withheld === 'secret' ? 'not shown' : 'too long'})` : fieldText(field, new Map()),
    );
  const more = shown.length - texts.length + moreFields;
  return [...texts, ...(more > 0 ? [`${more} more`] : [])].join('; ');
}

/** What a record says of the fields that were written: no secrets, and no more than there is room for. */
import { type AuditField, auditLimits } from '../model/audit.ts';
import type { FieldChange } from '../model/change.ts';

interface Bounded {
  readonly fields?: AuditField[];
  readonly moreFields?: number;
}

/** @param isSecret of fields by their whole name, as labels.tier */
export function boundedFields(changes: readonly FieldChange[], isSecret: (field: string) => boolean): Bounded {
  let room: number = auditLimits.valuesBytes;
  const fields = changes.slice(0, auditLimits.fields).map((change): AuditField => {
    const { field } = change;
    if (isSecret(field)) return { field, withheld: 'secret' };
    const sizes = [change.before, change.after].map((value) =>
      value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)),
    );
    const size = sizes[0]! + sizes[1]!;
    if (Math.max(...sizes) > auditLimits.valueBytes || size > room) return { field, withheld: 'size' };
    room -= size;
    return change;
  });
  const more = changes.length - fields.length;
  return { fields, ...(more > 0 && { moreFields: more }) };
}

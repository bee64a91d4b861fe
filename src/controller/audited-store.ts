import type { AuditRow } from '../store/audit-contract.ts';
import type { Op, Store, Txn, TxnResult } from '../store/contract.ts';
import type { Applied } from './applied.ts';
import { adoptedSubject, keySubject, objectSubject, otherSubject, type Subject } from './audit-subjects.ts';
import { appliedPrefix, hostTrustPrefix, isBookkeeping, parseObjectKey, quotaPrefix } from './keys.ts';
import { parseRecord } from './records.ts';
import { keyOf } from './transaction.ts';
import type { World } from './world.ts';

interface Options {
  readonly world: World;
  /** The row that tells of a subject, on behalf of whoever writes now. */
  readonly rowOf: (subject: Subject) => AuditRow;
}

/**
 * The store, with a row in the audit log for each thing that a transaction writes, in the same transaction: whoever has this
 * store cannot write without one. What was before is what the world holds: a transaction that was decided on anything else is
 * refused by its own conditions.
 */
export function auditedStore(store: Store, { world, rowOf }: Options): Store {
  function txn({ compare, ops, audit = [] }: Txn): Promise<TxnResult> {
    const keys = new Set(ops.map(keyOf));
    const told = ops.map((op) => subjectOf(op, keys));
    const write = (subjects: readonly (Subject | undefined)[]) => {
      const found = subjects.filter((subject) => subject !== undefined);
      // A revision that nobody can explain is none.
      const all = found.length > 0 ? found : ops.slice(0, 1).map((op) => keySubject(keyOf(op), 'update'));
      return store.txn({ ...(compare && { compare }), ops, audit: [...audit, ...all.map(rowOf)] });
    };
    // Without a turn in between, unless it must be: nobody else writes then what this was decided on.
    return told.some((subject) => subject instanceof Promise)
      ? Promise.all(told).then(write)
      : write(told as (Subject | undefined)[]);
  }

  /** Undefined of what is told with another key, or tells nothing. */
  function subjectOf(op: Op, keys: ReadonlySet<string>): Subject | undefined | Promise<Subject | undefined> {
    const [key, value] = 'put' in op ? [op.put.key, op.put.value] : [op.delete, undefined];
    const of = parseObjectKey(key);
    if (of) {
      const { kind, id } = of;
      const was = world.objects(kind).get(id)?.record;
      return objectSubject(of, was, value === undefined ? undefined : parseRecord(kind, value));
    }
    if (key.startsWith(appliedPrefix)) return adopted(key.slice(appliedPrefix.length), value, keys);
    if (isBookkeeping(key)) return undefined;
    if (key.startsWith(quotaPrefix) || key.startsWith(hostTrustPrefix))
      return otherSubject(key, heldBeside(key), value);
    return store.get(key).then((before) => otherSubject(key, before?.value, value));
  }

  /** What the world has of a tenant or a host beside the object. */
  function heldBeside(key: string): string | undefined {
    const { quotas, trust } = world;
    if (key.startsWith(quotaPrefix)) {
      const tenant = key.slice(quotaPrefix.length);
      return quotas.revisionOf(tenant) > 0n ? JSON.stringify(quotas.limitsOf(tenant)) : undefined;
    }
    const { record, revision } = trust.host(key.slice(hostTrustPrefix.length));
    return revision > 0n ? JSON.stringify(record) : undefined;
  }

  function adopted(key: string, value: string | undefined, keys: ReadonlySet<string>): Subject | undefined {
    const of = parseObjectKey(key);
    const record = of && world.objects(of.kind).get(of.id)?.record;
    if (!record || keys.has(key)) return undefined;
    const before = world.applied.get(of.id);
    return before || value !== undefined ? adoptedSubject(of, record, before, parseApplied(value)) : undefined;
  }

  return {
    audit: store.audit,
    txn,
    get: (key) => store.get(key),
    range: (prefix, options) => store.range(prefix, options),
    watch: (prefix, from, signal) => store.watch(prefix, from, signal),
    versions: (key, options) => store.versions(key, options),
    revisionAt: (atMs) => store.revisionAt(atMs),
    writtenAt: (revision) => store.writtenAt(revision),
    extent: () => store.extent(),
    compact: (revision) => store.compact(revision),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const parseApplied = (text: string | undefined): Applied | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as Applied);

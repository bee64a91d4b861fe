import { HeddleError } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { historyLimits } from '../model/history.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { HistoryQuery } from './history.ts';
import type { AnyRecord, PortRecord, Stored } from './records.ts';
import type { World } from './world.ts';

/** The query of a list or watch, parsed. */
export interface ListQuery {
  readonly limit: number;
  /** Id behind which the page begins. */
  readonly after: string | undefined;
  /** Watch from this revision instead of listing. */
  readonly watch: bigint | undefined;
  readonly matches: (object: Stored) => boolean;
}
/** A query string as Fastify gives it: a repeated key has an array. */
export type RawQuery = Readonly<Record<string, string | string[] | undefined>>;

/** Longest time that `waitMs` may ask for. */
export const WAIT_MS_MAX = 600_000;

/** @throws INVALID; NOT_FOUND where a filter names an object that does not exist */
export function parseListQuery(world: World, kind: Kind, scope: string, raw: RawQuery): ListQuery {
  const { filters, refersTo } = kinds[kind];
  refuseUnknown(raw, ['limit', 'after', 'watch', 'name', 'label', ...filters]);
  const name = one(raw, 'name');
  const labels = [raw.label ?? []].flat().map(parseLabel);
  const wanted = filters.flatMap((field) => {
    const ref = one(raw, field);
    if (ref === undefined) return [];
    const target = refersTo[field]!;
    const found = world.find(target, kinds[target].scope === 'tenant' ? scope : '-', ref);
    if (!found) throw new HeddleError('NOT_FOUND', { kind: target, name: ref.slice(0, 80) });
    return [[field, found.record.id] as const];
  });
  const fieldsOf = (record: AnyRecord): Record<string, unknown> => ({
    ...record,
    ...(kind === 'port' && world.bindingOf(record as PortRecord)),
  });
  return {
    limit: integer(raw, 'limit', 1, limits.pageSize) ?? limits.pageSize,
    after: one(raw, 'after'),
    watch: revision(raw, 'watch'),
    matches: ({ record }) =>
      (name === undefined || record.name === name) &&
      labels.every(([key, value]) => Object.hasOwn(record.labels, key) && record.labels[key] === value) &&
      wanted.every(([field, id]) => fieldsOf(record)[field] === id),
  };
}

/** @throws INVALID */
export function parseWaitMs(raw: RawQuery): number | undefined {
  refuseUnknown(raw, ['waitMs']);
  return integer(raw, 'waitMs', 0, WAIT_MS_MAX);
}

/** How an object is removed: `gone` is for hosts only. @throws INVALID */
export function parseRemoval(
  raw: RawQuery,
  kind: Kind,
): { readonly waitMs: number | undefined; readonly gone: boolean } {
  refuseUnknown(raw, ['waitMs', ...(kind === 'host' ? ['gone'] : [])]);
  return { waitMs: integer(raw, 'waitMs', 0, WAIT_MS_MAX), gone: flag(raw, 'gone') };
}

/** @throws INVALID */
export function parseCounters(raw: RawQuery): boolean {
  refuseUnknown(raw, ['counters']);
  return flag(raw, 'counters');
}

/** The query of an export. @throws INVALID */
export function parseExport(raw: RawQuery): { tenant: string | undefined; bindings: boolean } {
  refuseUnknown(raw, ['tenant', 'bindings']);
  return { tenant: one(raw, 'tenant'), bindings: flag(raw, 'bindings') };
}

/** A query where there may be none. @throws INVALID */
export const parseNothing = (raw: RawQuery): void => refuseUnknown(raw, []);

/** @throws INVALID */
export function parseHistoryQuery(raw: RawQuery): HistoryQuery {
  refuseUnknown(raw, ['limit', 'before']);
  return {
    limit: integer(raw, 'limit', 1, historyLimits.entries) ?? historyLimits.entriesDefault,
    before: revision(raw, 'before'),
  };
}

/** The query of a difference. @throws INVALID */
export function parseDiffQuery(raw: RawQuery): { since: string; tenant: string | undefined; limit: number } {
  refuseUnknown(raw, ['since', 'tenant', 'limit']);
  const since = one(raw, 'since');
  if (since === undefined) throw invalid('since', 'is required');
  return {
    since: since.slice(0, historyLimits.point),
    tenant: one(raw, 'tenant'),
    limit: integer(raw, 'limit', 1, historyLimits.changes) ?? historyLimits.changesDefault,
  };
}

const invalid = (field: string, problem: string) => new HeddleError('INVALID', { field, problem });

export function refuseUnknown(raw: RawQuery, known: readonly string[]): void {
  for (const key of Object.keys(raw)) if (!known.includes(key)) throw invalid(key.slice(0, 80), 'is no parameter here');
}

export function one(raw: RawQuery, field: string): string | undefined {
  const value = raw[field];
  if (Array.isArray(value)) throw invalid(field, 'is given twice');
  return value;
}

export function flag(raw: RawQuery, field: string): boolean {
  const value = one(raw, field) ?? 'false';
  if (value !== 'true' && value !== 'false') throw invalid(field, 'must be true or false');
  return value === 'true';
}

export function integer(raw: RawQuery, field: string, min: number, max: number): number | undefined {
  const text = one(raw, field);
  if (text === undefined) return undefined;
  const n = Number(text);
  if (!/^\d{1,9}$/.test(text) || n < min || n > max) throw invalid(field, `must be an integer from ${min} to ${max}`);
  return n;
}

function revision(raw: RawQuery, field: string): bigint | undefined {
  const text = one(raw, field);
  if (text === undefined) return undefined;
  if (!/^\d{1,18}$/.test(text)) throw invalid(field, 'must be a revision');
  return BigInt(text);
}

function parseLabel(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw invalid('label', 'must be of the form key=value');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Refusals of documents: each with the document, the field, and what to do. */
import type { DocumentProblem } from '../model/document-problem.ts';
import { type Code, type HeddleError, hasCode } from '../model/errors.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import { refusedTogether } from './addresses.ts';

/** What was refused: a document with its number, or an object that was to be pruned. */
export interface Refused {
  /** "subnet acme/v4" */
  readonly object: string;
  readonly document?: number;
  readonly kind?: Kind;
  readonly name?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly error: HeddleError;
}

/** Most problems that are told at once. */
const PROBLEMS_TOLD = 20;

/** All refusals as one error; a document that only misses another refused one is not told. */
export function documentsRefused(refused: readonly Refused[]): HeddleError {
  const names = new Set(refused.map(({ kind, name }) => `${kind} ${name}`));
  const once = refused.filter(({ object }, i) => refused.findIndex((other) => other.object === object) === i);
  const own = once.filter(
    ({ error }) => !hasCode(error, 'NOT_FOUND') || !names.has(`${error.details.kind} ${error.details.name}`),
  );
  const told = (own.length > 0 ? own : once).toSorted((a, b) => (a.document ?? 1e9) - (b.document ?? 1e9));
  const problems = told.slice(0, PROBLEMS_TOLD).map(problemOf);
  const more = told.length - problems.length;
  const errors = told.map(({ error }) => error);
  return refusedTogether('DOCUMENTS_REFUSED', { problems, more, written: 0 }, errors);
}

function problemOf(refused: Refused): DocumentProblem {
  const { object, document, error } = refused;
  const field = fieldOf(refused);
  const instead = hasCode(error, 'NOT_FOUND') ? ': add a document for it, or name one that is there' : '';
  return {
    ...(document !== undefined && { document }),
    object,
    code: error.code,
    problem: `${error.message}${instead}`,
    ...(field !== undefined && { field }),
  };
}

/** The fields that codes are about which do not say it. */
const fields: Partial<Record<Code, string>> = {
  NAME_INVALID: 'name',
  NAME_TAKEN: 'name',
  VNI_OUT_OF_RANGE: 'vni',
  VNI_TAKEN: 'vni',
  MAC_INVALID: 'mac',
  MAC_TAKEN: 'mac',
  MAC_RESERVED: 'mac',
  PREFIX_INVALID: 'cidr',
  PREFIX_OVERLAPS: 'cidr',
  POOL_INVALID: 'pools',
  ROUTE_INVALID: 'routes',
  TRANSLATION_INVALID: 'translations',
  SUBNET_WITHOUT_GATEWAY: 'subnets',
  NETWORK_ROUTED: 'subnets',
  PEER_OVERLAPS: 'peers',
  VTEP_TAKEN: 'vtep',
  PORT_BOUND: 'host',
};

function fieldOf({ kind, fields: said = {}, error }: Refused): string | undefined {
  const { field, kind: missing, name } = error.details as { field?: string; kind?: string; name?: string };
  if (field !== undefined) return field;
  if (hasCode(error, 'NOT_FOUND'))
    return Object.entries(kind ? kinds[kind].refersTo : {}).find(
      ([ref, target]) => target === missing && [said[ref]].flat().includes(name),
    )?.[0];
  const known = fields[error.code as Code];
  if (known !== undefined) return known;
  return error.code.startsWith('ADDRESS_') ? (kind === 'address' ? 'address' : 'addresses') : undefined;
}

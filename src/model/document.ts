/**
 * Documents: what a file says of objects. A document is the body that the API takes for its kind, with the kind, and for
 * kinds of a tenant the tenant, beside the fields; names stand where the API also takes ids.
 */
import { type Kind, kinds } from './kinds.ts';

/** A document, as far as it is checked: the fields are those of the kind's input. */
export interface Document {
  readonly kind: Kind;
  /** Of kinds that have one. */
  readonly tenant?: string;
  readonly name: string;
  readonly [field: string]: unknown;
}

/** Most documents of one apply, and most bytes of it as JSON. */
export const documentLimits = { documents: 5000, bytes: 8 << 20 } as const;

/** Fields of an input that are nobody's wish but what has become of it: where things are now, and what agents tell. */
export const runtimeFields: Readonly<Record<Kind, readonly string[]>> = {
  tenant: [],
  network: [],
  subnet: [],
  port: ['id', 'host', 'standby', 'origin'],
  address: ['holder', 'heardMs'],
  lease: ['addresses'],
  router: [],
  host: ['addresses'],
  grant: [],
};

/** Fields that are given where they are not asked for, and then stay: a document that no longer says one leaves it. */
export const givenFields: Readonly<Partial<Record<Kind, readonly string[]>>> = { port: ['addresses', 'segment'] };

/** Fields that may name each other in a circle: an object is made without them, and then gets them. */
export const laterFields: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  router: ['peers'],
  address: ['holder'],
};

/** Lists that mean something when they are empty; of other fields [], {} and false are what is there without them. */
export const emptyMatters: ReadonlySet<string> = new Set(['pools', 'addresses', 'ports']);

/** "network acme/web": what a document is of. */
export const documentName = ({ kind, tenant, name }: Pick<Document, 'kind' | 'tenant' | 'name'>): string =>
  `${kind} ${tenant === undefined ? '' : `${tenant}/`}${name}`;

/** A kind's fields in the order in which files have them. */
export const documentFields = (kind: Kind): string[] => Object.keys(kinds[kind].input.properties);

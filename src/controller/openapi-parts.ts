/** What the API's description is put together from. */
import { type Kind, kinds } from '../model/kinds.ts';
import { WAIT_MS_MAX } from './query.ts';

/** "/v1/tenants/{tenant}/ports": where a kind's objects are. */
export const collectionPath = (kind: Kind): string =>
  `/v1/${kinds[kind].scope === 'tenant' ? 'tenants/{tenant}/' : ''}${kinds[kind].plural}`;
/** The path of one object; its parameter has the kind's name. */
export const objectPath = (kind: Kind): string => `${collectionPath(kind)}/{${kind}}`;

/** One operation, as far as readers of the description need it. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, object>>;
}

/** A schema of the description. */
export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** What every operation may answer. */
export const problem = { default: { $ref: '#/components/responses/Problem' } };

/** What a request sends. */
export const body = (type: string, schema: string, example?: object) => ({
  required: true,
  content: { [type]: { schema: ref(schema), ...(example ? { example } : {}) } },
});

/** A part of a path that names an object. */
export const pathParameter = (name: string) => ({
  name,
  in: 'path',
  required: true,
  schema: { type: 'string' },
  description: `Name or id of the ${name}`,
});

/** A parameter of a query. */
export const query = (name: string, schema: object, description: string) => ({
  name,
  in: 'query',
  schema,
  description,
});

/** Of every write. */
export const waitMs = query(
  'waitMs',
  { type: 'integer', minimum: 0, maximum: WAIT_MS_MAX },
  'Answer when all hosts concerned have applied the write, or with WAIT_TIMEOUT after so many milliseconds; the write stays',
);

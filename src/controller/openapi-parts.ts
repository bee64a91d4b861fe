/** What the API's description is put together from. */
import { type Kind, kinds, type Place } from '../model/kinds.ts';
import { WAIT_MS_MAX } from './query.ts';

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

/** What an operation answers if it succeeds. @param schema or the name of one of the description */
export const answer = (description: string, schema: string | object) => ({
  description,
  content: { 'application/json': { schema: typeof schema === 'string' ? ref(schema) : schema } },
});

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

/** What operations of a kind are called, in one of its places: "Port"; of those in a tenant that are elsewhere too "TenantGrant". */
export const operationName = (kind: Kind, place: Place): string => {
  const name = title(kind);
  return kinds[kind].scope === 'either' && place === 'tenant' ? `Tenant${name}` : name;
};
/** With a capital letter. */
export const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

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

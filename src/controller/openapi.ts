/** The API's description (OpenAPI 3.1), from the table of kinds: what is here and what is routed is compared by a test. */
import { ApplyInput, ApplyResult, ExportResult } from '../model/apply.ts';
import { article } from '../model/article.ts';
import { type Code, errors } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { Difference, ObjectHistory, Rollback, RollbackInput } from '../model/history.ts';
import { PortCounters } from '../model/host-state.ts';
import { type Kind, type KindSpec, kinds, type Place, placesOf } from '../model/kinds.ts';
import { QuotaPatch, QuotaView } from '../model/quota.ts';
import { Token, TokenCreated, TokenInput, TokenList } from '../model/token.ts';
import { applyOperations } from './apply-openapi.ts';
import { auditOperations, auditSchemas } from './audit-openapi.ts';
import { historyOperations } from './history-openapi.ts';
import { loginOperations, loginSchemas } from './login-openapi.ts';
import { observeOperations, observeSchemas } from './observe-openapi.ts';
import {
  body,
  type Operation,
  operationName,
  pathParameter,
  problem,
  query,
  ref,
  title,
  waitMs,
} from './openapi-parts.ts';
import { collectionPath, objectPath, openapiPath, quotaPath, streamPath } from './paths.ts';
import { tokenOperations } from './token-openapi.ts';
import { trustOperations, trustSchemas } from './trust-openapi.ts';

interface OpenApi {
  readonly openapi: '3.1.0';
  readonly info: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly security: readonly object[];
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly responses: object;
    readonly securitySchemes: object;
  };
}

/** The whole document, a JSON value. */
export function openapiDocument(): OpenApi {
  const all = Object.entries(kinds) as [Kind, KindSpec][];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Heddle',
      version: '1',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'One virtual network for containers, virtual machines and bare-metal servers. By TCP users show a token (`authorization: Bearer …`), and hosts their certificate; whoever opens the unix socket is root there. What somebody may not see is answered as if it were not there. Who may what: docs/guides/access.md.',
    },
    paths: Object.fromEntries([
      ...all.flatMap(([kind, spec]) => placesOf(kind).flatMap((place) => operationsOf(kind, spec, place))),
      ...applyOperations(),
      ...historyOperations(),
      ...trustOperations(),
      ...loginOperations(),
      ...tokenOperations(),
      ...otherOperations(),
    ]),
    security: [{ token: [] }],
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An API token, or one of the OpenID provider' },
      },
      schemas: {
        ...Object.fromEntries(all.flatMap(([kind, spec]) => schemasOf(kind, spec))),
        PortCounters,
        ...observeSchemas,
        ...auditSchemas,
        ...{ ApplyInput, ApplyResult, ExportResult },
        ...{ ObjectHistory, Difference, RollbackInput, Rollback },
        ...trustSchemas,
        ...loginSchemas,
        ...{ TokenInput, Token, TokenCreated, TokenList },
        Quota: QuotaView,
        QuotaPatch,
        Problem: problemSchema,
      },
      responses: {
        Problem: {
          description: 'Why it was refused or failed (RFC 9457)',
          content: { 'application/problem+json': { schema: ref('Problem') } },
        },
      },
    },
  };
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'details'],
  properties: {
    type: { type: 'string' },
    title: { enum: ['refused', 'unavailable', 'broken'], description: 'Mend the request; try later; our fault' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'For people' },
    code: { enum: Object.keys(errors) as Code[], description: 'For programs' },
    details: { type: 'object' },
    requestId: { type: 'string', description: 'As in the header x-request-id, and in the log' },
  },
};

/** The input; the input as a patch, where what is not given stays; the output. */
function schemasOf(kind: Kind, { input, output, mutable }: KindSpec): [string, object][] {
  const properties = Object.entries(input.properties).filter(([field]) => mutable.includes(field));
  const required = new Set<string>(input.required);
  const nullable = (field: string, schema: object) =>
    required.has(field) ? schema : { anyOf: [schema, { type: 'null', description: 'Removes it' }] };
  const patch = {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties.map(([field, schema]) => [field, nullable(field, schema)])),
  };
  return [
    [`${title(kind)}Input`, input],
    [`${title(kind)}Patch`, patch],
    [title(kind), output],
  ];
}

function operationsOf(kind: Kind, spec: KindSpec, place: Place): [string, Record<string, Operation>][] {
  const tenant = place === 'tenant' ? [pathParameter('tenant')] : [];
  const name = operationName(kind, place);
  const object = [...tenant, pathParameter(kind)];
  const tags = [spec.plural];
  return [
    [
      collectionPath(kind, place),
      {
        get: listOperation(kind, spec, name, tenant),
        post: {
          operationId: `create${name}`,
          summary: `Create ${article(kind)}`,
          tags,
          parameters: [...tenant, waitMs, ifNoneMatch],
          requestBody: body('application/json', `${title(kind)}Input`, spec.example),
          responses: {
            ...(kind === 'port' ? { 200: one(kind, 'It exists, with this id and content') } : {}),
            ...(kind === 'lease' ? { 200: one(kind, 'It existed, and has this size now') } : {}),
            201: one(kind, 'Created'),
            ...problem,
          },
        },
      },
    ],
    [
      objectPath(kind, place),
      {
        get: {
          operationId: `get${name}`,
          summary: `Show ${article(kind)}`,
          tags,
          parameters: kind === 'port' ? [...object, counters] : object,
          responses: { 200: kind === 'port' ? portWithCounters(spec) : one(kind, 'The object'), ...problem },
        },
        patch: {
          operationId: `update${name}`,
          summary: `Change ${article(kind)} (JSON merge patch, RFC 7396)`,
          tags,
          parameters: [...object, waitMs, ifMatch],
          requestBody: body('application/merge-patch+json', `${title(kind)}Patch`),
          responses: { 200: one(kind, 'As it is now'), ...problem },
        },
        delete: {
          operationId: `delete${name}`,
          summary: `Delete ${article(kind)}`,
          tags,
          parameters: [...object, waitMs, ...(kind === 'host' ? [gone] : []), ifMatch],
          responses: { 204: { description: 'Deleted; heddle-revision has the revision' }, ...problem },
        },
      },
    ],
  ];
}

function listOperation(
  kind: Kind,
  { plural, filters, refersTo }: KindSpec,
  name: string,
  tenant: readonly object[],
): Operation {
  const page = {
    type: 'object',
    required: ['revision', 'items'],
    properties: {
      revision: { type: 'string', description: 'Watch from the next one on to see every later change' },
      items: { type: 'array', items: ref(title(kind)) },
      next: { type: 'string', description: 'If there is more: the "after" of the next page' },
    },
  };
  const event = {
    type: 'object',
    required: ['revision', 'type', 'object'],
    properties: { revision: { type: 'string' }, type: { enum: ['put', 'delete'] }, object: ref(title(kind)) },
  };
  return {
    operationId: `list${name.slice(0, -kind.length)}${title(plural)}`,
    summary: `List or watch ${plural}`,
    tags: [plural],
    parameters: [
      ...tenant,
      query('name', { type: 'string' }, 'Only the one of this name'),
      query('label', { type: 'array', items: { type: 'string' } }, 'Only those with this key=value; repeatable'),
      ...filters.map((f) => query(f, { type: 'string' }, `Only those of this ${refersTo[f]} (name or id)`)),
      query('limit', { type: 'integer', minimum: 1, maximum: limits.pageSize }, 'Most objects in the answer'),
      query('after', { type: 'string' }, 'The "next" of the page before'),
      query(
        'watch',
        { type: 'string', pattern: '^[0-9]+$' },
        'Instead: every change from this revision on, without end',
      ),
    ],
    responses: {
      200: {
        description: 'A page; for a watch one JSON object a line, empty lines between them as a sign of life',
        content: { 'application/json': { schema: page }, 'application/x-ndjson': { schema: event } },
      },
      ...problem,
    },
  };
}

function otherOperations(): [string, Record<string, Operation>][] {
  const description = { operationId: 'getOpenapi', summary: 'This description', tags: ['api'] };
  const stream = {
    operationId: 'openStream',
    summary: 'WebSocket of an agent: its host’s state and changes; messages in src/model/host-state.ts',
    tags: ['hosts'],
  };
  const quota = {
    description: 'The limits, and what there is',
    headers: { etag: { schema: { type: 'string' }, description: 'The revision of the limits, in quotes' } },
    content: { 'application/json': { schema: ref('Quota') } },
  };
  const quotas = {
    get: {
      operationId: 'getQuota',
      summary: 'Show what a tenant may have, and has',
      tags: ['quotas'],
      parameters: [pathParameter('tenant')],
      responses: { 200: quota, ...problem },
    },
    patch: {
      operationId: 'updateQuota',
      summary: 'Change limits of a tenant (JSON merge patch, RFC 7396)',
      tags: ['quotas'],
      parameters: [pathParameter('tenant'), ifMatch],
      requestBody: body('application/merge-patch+json', 'QuotaPatch', { limits: { ports: 100, routers: null } }),
      responses: { 200: quota, ...problem },
    },
  };
  return [
    [quotaPath, quotas],
    ...observeOperations(),
    ...auditOperations(),
    [openapiPath, { get: { ...description, responses: { 200: { description: 'OpenAPI 3.1' } } } }],
    [streamPath, { get: { ...stream, responses: { 101: { description: 'Switches to WebSocket' }, ...problem } } }],
  ];
}

const one = (kind: Kind, description: string, schema: object = ref(title(kind))) => ({
  description,
  headers: { etag: { schema: { type: 'string' }, description: 'The object’s revision, in quotes' } },
  content: { 'application/json': { schema } },
});
const portWithCounters = ({ output }: KindSpec) =>
  one('port', 'The object; with counters=true also its counters, null if its host does not have it yet', {
    ...output,
    properties: { ...output.properties, counters: { anyOf: [ref('PortCounters'), { type: 'null' }] } },
  });
const counters = query(
  'counters',
  { type: 'boolean' },
  'Ask the port’s host for its counters; a port behind another is counted with that one',
);
const gone = query(
  'gone',
  { type: 'boolean' },
  'It never comes back: its ports go to their standbys; of the others the ephemeral ones are deleted, as its leases, the rest is unbound',
);
const ifNoneMatch = {
  name: 'If-None-Match',
  in: 'header',
  schema: { const: '*' },
  description: 'Refuse with EXISTS where the object is there already and the answer would be 200',
};
const ifMatch = {
  name: 'If-Match',
  in: 'header',
  schema: { type: 'string' },
  description: 'An ETag: write only if the object is at this revision',
};

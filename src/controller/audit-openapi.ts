/** The operations of the audit log, for the API's description. */
import { AuditPage, AuditRecord, auditLimits } from '../model/audit.ts';
import { HostRefusals } from '../model/refusals.ts';
import { body, type Operation, pathParameter, problem, query, ref } from './openapi-parts.ts';
import { auditPath, refusalsPath } from './paths.ts';

export const auditSchemas = { AuditRecord, AuditPage, HostRefusals };

const text = (name: string, description: string) => query(name, { type: 'string' }, description);

const listAudit: Operation = {
  operationId: 'listAudit',
  summary: 'List or follow what was done and what was refused, and by whom',
  tags: ['observe'],
  parameters: [
    text('since', 'Only records from this time on (RFC 3339), or from so long ago on, as 90m'),
    text('until', 'Only those before this time, or before so long ago'),
    text('tenant', 'Only those of this tenant and of what is in it (name or id)'),
    text('who', 'Only those of this one: a name, or as user:alice, host:h1, controller'),
    text('kind', 'Only those of objects of this kind, or of what is none, as quota'),
    text('object', 'Only those of this one (name or id, also of one that is gone)'),
    query('refused', { type: 'boolean' }, 'Only refusals, or none of them'),
    text('request', 'Only those of the request of this id'),
    query('after', { type: 'integer' }, 'Those behind this id, the oldest first'),
    query('before', { type: 'integer' }, 'Those before this id, the newest first: so it is without both, too'),
    query('limit', { type: 'integer', minimum: 1, maximum: auditLimits.page }, 'Most records in the answer'),
    query('follow', { type: 'boolean' }, 'Every one that comes, without end; with after or since, from there on'),
  ],
  responses: {
    200: {
      description:
        'A page; followed, one JSON object a line, empty lines between them as a sign of life, and {"forgottenUntil": time} where records of up to that time may have been forgotten before they could be sent; if the server ends it, the last line is {"problem": why}. Who may read one tenant alone is not told of others who they are, nor where',
      content: {
        'application/json': { schema: ref('AuditPage') },
        'application/x-ndjson': { schema: ref('AuditRecord') },
      },
    },
    ...problem,
  },
};

const tellRefusals: Operation = {
  operationId: 'tellRefusals',
  summary: 'Have recorded what a host refused by itself; of a host, its own',
  tags: ['observe'],
  parameters: [pathParameter('host')],
  requestBody: body('application/json', 'HostRefusals', { items: [], more: 3 }),
  responses: { 204: { description: 'Each is recorded in a moment, or counted' }, ...problem },
};

/** Their paths with the operations. */
export const auditOperations = (): [string, Record<string, Operation>][] => [
  [auditPath, { get: listAudit }],
  [refusalsPath, { post: tellRefusals }],
];

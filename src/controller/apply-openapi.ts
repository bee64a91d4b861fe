/** The paths of sets of documents in the API's description. */
import { body, type Operation, problem, query, ref, waitMs } from './openapi-parts.ts';

export const applyPath = '/v1/apply';
export const exportPath = '/v1/export';

const json = (schema: string, description: string) => ({
  description,
  content: { 'application/json': { schema: ref(schema) } },
});

const example = {
  set: 'web',
  documents: [
    { kind: 'tenant', name: 'acme' },
    { kind: 'network', tenant: 'acme', name: 'web', mtuBytes: 1400 },
  ],
};

export function applyPaths(): [string, Record<string, Operation>][] {
  const apply: Operation = {
    operationId: 'applyDocuments',
    summary: 'Bring objects to what documents say, all of them or none',
    tags: ['documents'],
    parameters: [waitMs],
    requestBody: body('application/json', 'ApplyInput', example),
    responses: { 200: json('ApplyResult', 'What was changed, or would be'), ...problem },
  };
  const get: Operation = {
    operationId: 'exportDocuments',
    summary: 'The documents that make the same again',
    tags: ['documents'],
    parameters: [
      query('tenant', { type: 'string' }, 'Only this tenant’s; name or id'),
      query(
        'bindings',
        { type: 'boolean' },
        'With the hosts that ports are bound to; default: only where a document says it',
      ),
    ],
    responses: { 200: json('ExportResult', 'Referents first'), ...problem },
  };
  return [
    [applyPath, { post: apply }],
    [exportPath, { get }],
  ];
}

/** The paths of sets of documents in the API's description. */
import { answer, body, type Operation, problem, query, waitMs } from './openapi-parts.ts';
import { applyPath, exportPath } from './paths.ts';

const example = {
  set: 'web',
  documents: [
    { kind: 'tenant', name: 'acme' },
    { kind: 'network', tenant: 'acme', name: 'web', mtuBytes: 1400 },
  ],
};

export function applyOperations(): [string, Record<string, Operation>][] {
  const apply: Operation = {
    operationId: 'applyDocuments',
    summary: 'Bring objects to what documents say, all of them or none',
    tags: ['documents'],
    parameters: [waitMs],
    requestBody: body('application/json', 'ApplyInput', example),
    responses: { 200: answer('What was changed, or would be', 'ApplyResult'), ...problem },
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
    responses: { 200: answer('Referents first', 'ExportResult'), ...problem },
  };
  return [
    [applyPath, { post: apply }],
    [exportPath, { get }],
  ];
}

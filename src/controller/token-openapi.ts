/** API tokens in the API's description. */
import { answer, body, type Operation, pathParameter, problem } from './openapi-parts.ts';
import { tokenPaths } from './paths.ts';

export function tokenOperations(): [string, Record<string, Operation>][] {
  const tags = ['tokens'];
  const list: Operation = {
    operationId: 'listTokens',
    summary: 'List your API tokens; an admin: everybody’s',
    tags,
    responses: { 200: answer('Without their secrets, the oldest first', 'TokenList'), ...problem },
  };
  const create: Operation = {
    operationId: 'createToken',
    summary: 'Make an API token, which is told this once',
    tags,
    requestBody: body('application/json', 'TokenInput', { description: 'CI', scope: { tenants: ['acme'] } }),
    responses: { 201: answer('With the token itself', 'TokenCreated'), ...problem },
  };
  const remove: Operation = {
    operationId: 'deleteToken',
    summary: 'Delete an API token: from now on it is no good',
    tags,
    parameters: [pathParameter('token')],
    responses: { 204: { description: 'Deleted; heddle-revision has the revision' }, ...problem },
  };
  return [
    [tokenPaths.tokens, { get: list, post: create }],
    [tokenPaths.token, { delete: remove }],
  ];
}

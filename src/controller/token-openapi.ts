/** API tokens in the API's description. */
import { body, type Operation, pathParameter, problem, ref } from './openapi-parts.ts';
import { tokensPath } from './token-routes.ts';

const json = (schema: string, description: string) => ({
  description,
  content: { 'application/json': { schema: ref(schema) } },
});

export function tokenPaths(): [string, Record<string, Operation>][] {
  const tags = ['tokens'];
  const list: Operation = {
    operationId: 'listTokens',
    summary: 'List your API tokens; an admin: everybody’s',
    tags,
    responses: { 200: json('TokenList', 'Without their secrets, the oldest first'), ...problem },
  };
  const create: Operation = {
    operationId: 'createToken',
    summary: 'Make an API token, which is told this once',
    tags,
    requestBody: body('application/json', 'TokenInput', { description: 'CI', scope: { tenants: ['acme'] } }),
    responses: { 201: json('TokenCreated', 'With the token itself'), ...problem },
  };
  const remove: Operation = {
    operationId: 'deleteToken',
    summary: 'Delete an API token: from now on it is no good',
    tags,
    parameters: [pathParameter('token')],
    responses: { 204: { description: 'Deleted; heddle-revision has the revision' }, ...problem },
  };
  return [
    [tokensPath, { get: list, post: create }],
    [`${tokensPath}/{token}`, { delete: remove }],
  ];
}

/** The paths of history in the API's description. */
import { article } from '../model/article.ts';
import { historyLimits } from '../model/history.ts';
import { type Kind, kinds, type Place, placesOf } from '../model/kinds.ts';
import { answer, body, type Operation, operationName, pathParameter, problem, query, waitMs } from './openapi-parts.ts';
import { diffPath, historyPath, rollbackPath } from './paths.ts';

const text = { type: 'string' };

/** One for every kind, and those of the installation. */
export function historyOperations(): [string, Record<string, Operation>][] {
  const { entries, entriesDefault, changes, changesDefault, point } = historyLimits;
  const of = (kind: Kind, place: Place): [string, Record<string, Operation>] => {
    const tenant = place === 'tenant' ? [pathParameter('tenant')] : [];
    const name = operationName(kind, place);
    const get: Operation = {
      operationId: `get${name}History`,
      summary: `What has become of ${article(kind)}, also of one that is gone`,
      tags: [kinds[kind].plural],
      parameters: [
        ...tenant,
        pathParameter(kind),
        query('limit', { type: 'integer', minimum: 1, maximum: entries }, `Most entries; default: ${entriesDefault}`),
        query('before', { type: 'string', pattern: '^[0-9]+$' }, 'The "next" of the page before'),
      ],
      responses: { 200: answer('The newest entry first', 'ObjectHistory'), ...problem },
    };
    return [historyPath(kind, place), { get }];
  };
  const history = (Object.keys(kinds) as Kind[]).flatMap((kind) => placesOf(kind).map((place) => of(kind, place)));
  const diff: Operation = {
    operationId: 'getDiff',
    summary: 'What is different now',
    tags: ['history'],
    parameters: [
      {
        ...query('since', { ...text, maxLength: point }, 'A revision, a time (RFC 3339), or how long ago, as 90m'),
        required: true,
      },
      query('tenant', text, 'Only this tenant’s; name or id'),
      query('limit', { type: 'integer', minimum: 1, maximum: changes }, `Most objects; default: ${changesDefault}`),
    ],
    responses: { 200: answer('The objects that differ', 'Difference'), ...problem },
  };
  const rollback: Operation = {
    operationId: 'rollBack',
    summary: 'Bring what users wrote back to what it was',
    tags: ['history'],
    parameters: [waitMs],
    requestBody: body('application/json', 'RollbackInput', { to: '412', tenant: 'acme', dryRun: true }),
    responses: { 200: answer('What was changed, or would be', 'Rollback'), ...problem },
  };
  return [...history, [diffPath, { get: diff }], [rollbackPath, { post: rollback }]];
}

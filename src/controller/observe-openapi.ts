/** The operations of those who watch over the installation, for the API's description. */
import { Condition } from '../model/condition.ts';
import { Event, EventPage, eventLimits, eventTypes } from '../model/events.ts';
import { kinds } from '../model/kinds.ts';
import { answer, problem, query, ref } from './openapi-parts.ts';
import { conditionPath, eventsPath } from './paths.ts';

export const observeSchemas = { Event, EventPage, Condition };

const text = (description: string) => ({ description, content: { 'text/plain': { schema: { type: 'string' } } } });
const format = query('format', { enum: ['json'] }, 'An object with each check instead of a line of text');

const listEvents = {
  operationId: 'listEvents',
  summary: 'List or follow what happened to objects; kept in memory, and bounded',
  tags: ['observe'],
  parameters: [
    query('kind', { enum: Object.keys(kinds) }, 'Only those of objects of this kind'),
    query('object', { type: 'string' }, 'Only those of this one (name or id, also of one that is gone); with kind'),
    query('tenant', { type: 'string' }, 'Only those of this tenant and of what is in it (name or id)'),
    query('type', { type: 'array', items: { enum: Object.keys(eventTypes) } }, 'Only those of this type; repeatable'),
    query('since', { type: 'string' }, 'Only those from this time on (RFC 3339), or from so long ago on, as 90m'),
    query('after', { type: 'integer' }, 'Only those behind this id'),
    query('limit', { type: 'integer', minimum: 1, maximum: eventLimits.page }, 'Most events in the answer'),
    query('follow', { type: 'boolean' }, 'Those that are kept, then every one that comes, without end'),
  ],
  responses: {
    200: {
      description:
        'A page; followed, one JSON object a line, empty lines between them as a sign of life, and {"lost": n} where n of the tenant that is asked for, or of all, went before they could be sent; at the beginning n at most',
      content: { 'application/json': { schema: ref('EventPage') }, 'application/x-ndjson': { schema: ref('Event') } },
    },
    ...problem,
  },
};

const getStatus = {
  operationId: 'getStatus',
  summary: 'Whether the installation is well, what is not, and what to do; asks all connected hosts',
  tags: ['observe'],
  responses: {
    200: answer('As it is now, or as it was made up to a second ago, in 2 s at most', 'Condition'),
    ...problem,
  },
};

/** Paths with their operations. */
export const observeOperations = (): [
  string,
  { get: typeof listEvents | typeof getStatus | ReturnType<typeof probe> },
][] => [
  [eventsPath, { get: listEvents }],
  [conditionPath, { get: getStatus }],
  ['/metrics', { get: probe('getMetrics', 'Metrics in the text format of Prometheus', text('All metrics')) }],
  ['/healthz', { get: probe('getHealth', 'The process answers', text('It does'), [format]) }],
  [
    '/readyz',
    { get: probe('getReadiness', 'The controller can do its work', text('It can; 503: not, and why'), [format]) },
  ],
];

const probe = (operationId: string, summary: string, answer: object, parameters: readonly object[] = []) => ({
  operationId,
  summary,
  tags: ['observe'],
  parameters,
  responses: { 200: answer },
});

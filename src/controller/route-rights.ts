/** What each route asks of who uses it. A route that is not here does not start. */
import { type Kind, kinds, type Place, placesOf } from '../model/kinds.ts';
import type { Subject, Verb } from './access.ts';
import { collectionPath, objectPath } from './paths.ts';

/**
 * `anyone`: without credentials. `known`: whoever has some; `user`: the same, and no host; `role`: a user who has some role,
 * for what takes long. What these answer is of what the principal may see. `agent`: a host, or root here.
 */
export type RouteRight =
  | 'anyone'
  | 'known'
  | 'user'
  | 'role'
  | 'agent'
  | {
      readonly verb: Verb;
      /** In the tenant that the path names, or the installation. */
      readonly subject: Subject;
      /** No host's, whatever it may read. */
      readonly user?: true;
    };

const read = (subject: Subject) => ({ verb: 'read', subject }) as const;
const write = (subject: Subject) => ({ verb: 'write', subject }) as const;

/** Of what is in the installation, everybody sees a part in lists. */
function ofKind(kind: Kind, place: Place): [route: string, right: RouteRight][] {
  const [collection, object] = [collectionPath(kind, place), objectPath(kind, place)];
  const seen: RouteRight = kinds[kind].scope === 'cluster' ? 'known' : read(kind);
  return [
    [`GET ${collection}`, seen],
    [`POST ${collection}`, write(kind)],
    [`GET ${object}`, seen],
    [`PATCH ${object}`, write(kind)],
    [`DELETE ${object}`, write(kind)],
    [`GET ${object}/history`, { ...read(kind), user: true }],
  ];
}

const others: Readonly<Record<string, RouteRight>> = {
  'GET /healthz': 'anyone',
  'GET /readyz': 'known',
  'GET /metrics': read('metrics'),
  'GET /v1/openapi.json': 'known',
  'GET /v1/stream': 'agent',
  'GET /v1/status': 'user',
  'GET /v1/events': 'user',
  'GET /v1/diff': 'role',
  'GET /v1/export': 'role',
  'POST /v1/apply': 'role',
  'POST /v1/rollback': 'role',
  'GET /v1/ca': 'anyone',
  'GET /v1/ca/status': read('trust'),
  'POST /v1/ca/rotate': write('trust'),
  'POST /v1/ca/retire': write('trust'),
  'POST /v1/join': 'anyone',
  'GET /v1/host-tokens': read('trust'),
  'POST /v1/host-tokens': write('trust'),
  'DELETE /v1/host-tokens/{token}': write('trust'),
  'POST /v1/hosts/{host}/certificate': 'agent',
  'POST /v1/hosts/{host}/refusals': 'agent',
  'POST /v1/hosts/{host}/revoke': write('trust'),
  'GET /v1/login': 'anyone',
  'GET /v1/whoami': 'known',
  'GET /v1/audit': 'user',
  'GET /v1/tokens': 'user',
  'POST /v1/tokens': 'user',
  'DELETE /v1/tokens/{token}': 'user',
  'GET /v1/tenants/{tenant}/quota': read('quota'),
  'PATCH /v1/tenants/{tenant}/quota': write('quota'),
};

/** By "GET /v1/tenants/{tenant}/ports". */
export const routeRights: ReadonlyMap<string, RouteRight> = new Map([
  ...Object.entries(others),
  ...(Object.keys(kinds) as Kind[]).flatMap((kind) => placesOf(kind).flatMap((place) => ofKind(kind, place))),
]);

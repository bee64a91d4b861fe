/** What requests do, and what is refused to them, for the record. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { auditLimits } from '../model/audit.ts';
import { type Code, errors } from '../model/errors.ts';
import { namePattern } from '../model/ids.ts';
import { type Kind, kinds, placesOf } from '../model/kinds.ts';
import type { About, Audit } from './audit.ts';
import type { Deed } from './audit-who.ts';
import { collectionPath, eventsPath, fastifyPath, objectPath, openapiPathOf, tokenPaths, trustPaths } from './paths.ts';
import type { World } from './world.ts';

/** Everything that a request writes is recorded as its, and what is refused to it in a moment. */
export function recordRequests(app: FastifyInstance, { audit, world }: { audit: Audit; world: World }): void {
  // Before it the request's body is read, by events that are nobody's.
  app.addHook('preHandler', (request, _reply, done) => audit.during(deedOf(request), done));
  app.addHook('onSend', async (request, _reply, payload) => {
    const { problem } = request;
    if (problem)
      audit.refused(deedOf(request), problem, () => {
        const about = aboutOf(world, request);
        return isRecorded(request, problem, about) ? about : undefined;
      });
    return payload;
  });
}

/** A request, as those do who are to answer for it. */
export function deedOf(request: FastifyRequest): Deed {
  const { principal, ip, id, method, routeOptions } = request;
  return {
    ...{ principal, from: ip || 'unix', requestId: id, method },
    route: openapiPathOf(routeOptions.url ?? 'unknown'),
    // Known when the body has come.
    get joinToken() {
      return request.joinToken;
    },
  };
}

/**
 * Refusals of writes, whatever the reason; of reads those for want of rights, and of what whoever asks does not see, be it there
 * or not: so that neither takes longer.
 */
function isRecorded(request: FastifyRequest, problem: Code, about: About): boolean {
  const { method, access } = request;
  // That is no refusal: it is written.
  if (problem === 'WAIT_TIMEOUT') return false;
  if (method !== 'GET' && method !== 'HEAD') return true;
  const { status } = errors[problem];
  if (status === 401 || status === 403) return true;
  if (problem !== 'NOT_FOUND' || !access || access.readsAll) return false;
  // These are looked for in all tenants.
  if (request.routeOptions.url === eventsPath) return true;
  const { tenant, tenantName, kind } = about;
  if (tenantName !== undefined) return tenant === undefined || !access.sees(tenant);
  return kind !== undefined && access.levelIn(kind as Kind, '-') === undefined;
}

/** Which kind a route is about, by its path. */
const kindsOfPaths = new Map(
  (Object.keys(kinds) as Kind[]).flatMap((kind) =>
    placesOf(kind).flatMap((place) =>
      [collectionPath, objectPath].map((path) => [fastifyPath(path(kind, place)), kind] as const),
    ),
  ),
);

/** The same of what is no object. */
const otherKinds: readonly (readonly [path: string, kind: string])[] = [
  [tokenPaths.tokens, 'token'],
  [trustPaths.tokens, 'host-token'],
  [`${trustPaths.authority}/`, 'authority'],
];

/** The object that a request is about; of one that is not there, the name by which it is asked for. */
function aboutOf(world: World, { routeOptions, params, body, query }: FastifyRequest): About {
  const url = routeOptions.url ?? '';
  const path = (params ?? {}) as Readonly<Record<string, string>>;
  const inBody = (body ?? {}) as Readonly<Record<string, unknown>>;
  const kind = kindsOfPaths.get(url) ?? kindsOfPaths.get(url.slice(0, url.lastIndexOf('/')));
  const tenant = tenantOf(world, [path.tenant, inBody.tenant, (query as typeof inBody)?.tenant]);
  if (!kind) {
    const other = url.endsWith('/quota') ? 'quota' : otherKinds.find(([prefix]) => url.startsWith(prefix))?.[1];
    return {
      ...tenant,
      ...(other && { kind: other }),
      ...(url === eventsPath && wantedOf(query as typeof inBody)),
      ...(path.token !== undefined && { name: shortened(path.token) }),
    };
  }
  const ref = path[kind] ?? nameIn(inBody);
  if (ref === undefined) return { ...tenant, kind };
  const scope = kind === 'tenant' || path.tenant === undefined ? '-' : tenant.tenant;
  const found = scope === undefined ? undefined : world.find(kind, scope, ref)?.record;
  const object = found ? { object: found.id, name: found.name } : { name: shortened(ref) };
  return { ...tenant, kind, ...object };
}

/** Whose events are asked for. */
const wantedOf = ({ kind, object }: Readonly<Record<string, unknown>>): About => ({
  ...(typeof kind === 'string' && Object.hasOwn(kinds, kind) && { kind }),
  ...(typeof object === 'string' && { name: shortened(object) }),
});

function tenantOf(world: World, refs: readonly unknown[]): Pick<About, 'tenant' | 'tenantName'> {
  const ref = refs.find((each) => typeof each === 'string') as string | undefined;
  if (ref === undefined) return {};
  const found = world.find('tenant', '-', ref)?.record;
  return found ? { tenant: found.id, tenantName: found.name } : { tenantName: shortened(ref) };
}

/** A body that was refused may have anything for a name. */
function nameIn({ name }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof name === 'string' && isName.test(name) ? name : undefined;
}
const isName = new RegExp(namePattern);

const shortened = (text: string): string => text.slice(0, auditLimits.nameChars);

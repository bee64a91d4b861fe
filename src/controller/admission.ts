/** The door of the API: who asks, whether it may use the route, and how often. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { whoText } from '../model/audit.ts';
import { HeddleError } from '../model/errors.ts';
import { kinds } from '../model/kinds.ts';
import { type Access, accessOf, forbidden } from './access.ts';
import { isOwn } from './host-deeds.ts';
import { openapiPathOf } from './paths.ts';
import type { Principal } from './principal.ts';
import type { RateLimit } from './rate-limit.ts';
import { type RouteRight, routeRights } from './route-rights.ts';
import { isAlive } from './tokens.ts';
import type { World } from './world.ts';

/** Who sends a request; undefined: nobody knows. @throws UNAUTHENTICATED, TOKEN_INVALID, CERTIFICATE_REVOKED: what it shows is no good */
export type Identify = (request: FastifyRequest, world: World, now: Date) => Promise<Principal | undefined>;

declare module 'fastify' {
  interface FastifyRequest {
    /** What its principal may, as of when all of it has come. */
    access: Access;
    /** The same as of now, for answers that have no end. @throws what a new request of the same would be refused with */
    accessNow(): Access;
    /** What one is refused with that comes too soon, unless its body shows a right token. */
    tooSoon?: unknown;
  }
}

interface AdmissionOptions {
  readonly world: World;
  readonly identify: Identify;
  readonly now: () => Date;
  readonly rateLimit: RateLimit | undefined;
}

/** Refuses to start a route that the table of rights does not know. To be called before there is one. */
export function requireRights(app: FastifyInstance): void {
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat())
      if (!routeRights.has(keyOf(one, url))) throw new Error(`${one} ${url} has no entry in the table of rights`);
  });
}

/** Admits a request, or refuses it before its body is read. @throws UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, RATE_LIMITED, and as `identify` */
export async function admit(options: AdmissionOptions, request: FastifyRequest): Promise<void> {
  const { world, now, rateLimit } = options;
  const { method, routeOptions, is404 } = request;
  const right = is404 ? 'known' : routeRights.get(keyOf(method, routeOptions.url ?? ''));
  if (right !== 'anyone') request.principal = await identified(options, request);
  const { principal } = request;
  request.access = accessOf(world, principal);
  request.accessNow = () => {
    if (principal && !isAlive(world, principal, now())) throw new HeddleError('UNAUTHENTICATED', {});
    const access = accessOf(world, principal);
    refuseOthers(world, request, access, right);
    return access;
  };
  if (is404) return;
  if (rateLimit) rate(rateLimit, request);
  refuseOthers(world, request, request.access, right);
  keepTenant(world, request);
}

/** Asks the same once more when the request's body has come, which may have taken long. @throws as `admit` */
export async function admitAgain({ world, identify, now }: AdmissionOptions, request: FastifyRequest): Promise<void> {
  const { is404, principal } = request;
  if (is404 || !principal) return;
  if (!isRead(request) && !(await identify(request, world, now()))) throw new HeddleError('UNAUTHENTICATED', {});
  request.access = request.accessNow();
}

/** The path means the tenant that has the name now, whoever has it when the body has come, or while a watch goes on. */
function keepTenant(world: World, request: FastifyRequest): void {
  // Admins may ask for the past of all that had it.
  if (isRead(request) && request.access.readsAll) return;
  const params = request.params as { tenant?: string };
  const found = params.tenant === undefined ? undefined : world.find('tenant', '-', params.tenant);
  if (found) params.tenant = found.record.id;
}

const isRead = ({ method }: FastifyRequest): boolean => method === 'GET' || method === 'HEAD';
const keyOf = (method: string, url: string): string => `${method} ${openapiPathOf(url)}`;

/** Whoever cannot say who it is counts as the address that it has, so that guessing takes time. */
async function identified({ world, identify, now, rateLimit }: AdmissionOptions, request: FastifyRequest) {
  try {
    const principal = await identify(request, world, now());
    if (principal) return principal;
    throw new HeddleError('UNAUTHENTICATED', {});
  } catch (e) {
    if (request.ip) rateLimit?.take(request.ip, 'write');
    throw e;
  }
}

/** Counts a request: of users and hosts, each; else of a client that has an address. @throws RATE_LIMITED */
function rate(limit: RateLimit, request: FastifyRequest): void {
  const { routeOptions, query, ip, principal } = request;
  // What has a query asks for more than is at hand.
  const isFree = routeOptions.config.rate === 'none' && Object.keys(query as object).length === 0;
  const client = principal && principal.kind !== 'local' ? whoText(principal) : ip;
  if (!client || isFree) return;
  if (principal || isRead(request)) return limit.take(client, isRead(request) ? 'read' : 'write');
  try {
    limit.takeUnknown(client);
  } catch (e) {
    if (routeOptions.config.rate !== 'token') throw e;
    request.tooSoon = e;
  }
}

type Params = Readonly<Record<string, string | undefined>>;

/** What a principal may not see is as if it were not there: the tenant that the path names. @throws NOT_FOUND, FORBIDDEN */
function refuseOthers(world: World, request: FastifyRequest, access: Access, right: RouteRight | undefined): void {
  if (right === 'anyone') return;
  if (right === undefined) throw forbidden(access, 'use', 'this route');
  const { principal } = access;
  if (right === 'agent') {
    if (principal?.kind === 'user') throw forbidden(access, 'use', 'what is for hosts');
    return;
  }
  if (access.mayAll) return;
  const params = request.params as Params;
  const isObject = typeof right === 'object';
  const scope = params.tenant === undefined ? '-' : scopeOf(world, access, params, right);
  if (scope === undefined) return; // its own
  if ((right === 'user' || right === 'role' || (isObject && right.user)) && principal?.kind === 'host')
    throw forbidden(access, 'use', 'what is for users');
  if (right === 'role' && !access.hasRole) throw forbidden(access, 'use', 'what is for those who have a role');
  if (!isObject || access.may(right.verb, right.subject, scope) || isOwnEnd(world, request, access)) return;
  const { subject, verb } = right;
  const what = subject in kinds ? kinds[subject as keyof typeof kinds].plural : subject;
  throw forbidden(access, verb, what, scope === '-' ? undefined : world.tenant.get(scope)?.record.name);
}

/** A host that leaves for good deletes itself. */
function isOwnEnd(world: World, { method, routeOptions, params }: FastifyRequest, { host }: Access): boolean {
  if (host === undefined || keyOf(method, routeOptions.url ?? '') !== 'DELETE /v1/hosts/{host}') return false;
  return world.find('host', '-', (params as Params).host ?? '')?.record.id === host;
}

/** The tenant that the path names, its id; undefined if the object there is the host's own, whatever the tenant. @throws NOT_FOUND */
function scopeOf(world: World, access: Access, params: Params, right: RouteRight): string | undefined {
  const ref = params.tenant ?? '';
  const tenant = world.find('tenant', '-', ref)?.record.id;
  if (tenant !== undefined && access.sees(tenant)) return tenant;
  if (tenant !== undefined && access.host !== undefined && typeof right === 'object' && !right.user) {
    const { subject } = right;
    if (subject === 'port' || subject === 'lease') {
      const found = world.find(subject, tenant, params[subject] ?? '');
      if (found && isOwn(world, access.host, found)) return undefined;
    }
  }
  throw new HeddleError('NOT_FOUND', { kind: 'tenant', name: ref.slice(0, 80) });
}

import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { HeddleError } from '../model/errors.ts';
import { tokenIdOf } from '../model/token.ts';
import {
  type JoinInput,
  type JoinTokenInput,
  JoinInput as joinSchema,
  type RenewalInput,
  RenewalInput as renewalSchema,
  JoinTokenInput as tokenSchema,
} from '../model/trust.ts';
import { readRequest } from '../trust/request.ts';
import type { Authority } from './authority.ts';
import { keptTenants, refuseGiving } from './given-tenants.ts';
import { requireSelf } from './host-deeds.ts';
import type { HostSockets } from './host-sockets.ts';
import { decideJoin, decideRevocation } from './join.ts';
import {
  createJoinToken,
  deleteJoinToken,
  type JoinTokenContext,
  listJoinTokens,
  refuseEnded,
  shownJoinToken,
} from './join-tokens.ts';
import { joinTokenKey } from './keys.ts';
import { fastifyPath, trustPaths } from './paths.ts';
import { parseNothing, type RawQuery } from './query.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RouteContext } from './routes.ts';
import { must } from './rules.ts';
import { viewOf } from './view.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Id of the token by which a host joins, which has shown all of it. */
    joinToken?: string;
  }
}

export interface TrustContext extends RouteContext, Omit<JoinTokenContext, 'store' | 'world'> {
  /** The installation's authority, made when it is first asked for. */
  readonly authority: () => Promise<Authority>;
  readonly hostSockets: HostSockets;
  /** How often one token may be shown. */
  readonly rateLimit?: Pick<RateLimit, 'take'> | undefined;
}

/** Three times the longest request to join: a stranger's is read before it is known whether it shows a token. */
const JOIN_BYTES = 16 << 10;

/** How hosts become some, stay so, and are no more. */
export function registerJoin(app: FastifyInstance, ctx: TrustContext): void {
  const { world, writer, authority } = ctx;
  const checkToken = compileCheck(tokenSchema);
  const checkJoin = compileCheck(joinSchema);
  const checkRenewal = compileCheck(renewalSchema);

  app.get(trustPaths.tokens, async (request) => {
    parseNothing(request.query as RawQuery);
    return { items: listJoinTokens(ctx) };
  });
  app.post(trustPaths.tokens, async (request, reply) => {
    parseNothing(request.query as RawQuery);
    checkToken(request.body);
    const pin = (await authority()).pin();
    const input = request.body as JoinTokenInput;
    refuseGiving(world, request.access, input.tenants);
    const keeps = input.tenants === undefined ? keptTenants(world, request.access, input.name) : undefined;
    const made = await createJoinToken(ctx, { ...input, ...(keeps && { keeps }) }, pin, request.principal?.name ?? '');
    return reply.code(201).header('cache-control', 'no-store').send(made);
  });
  app.delete(fastifyPath(trustPaths.token), async (request, reply) => {
    parseNothing(request.query as RawQuery);
    const revision = await deleteJoinToken(ctx, tokenIdOf((request.params as { token: string }).token));
    return reply.code(204).header('heddle-revision', String(revision)).send();
  });

  app.post(trustPaths.join, { bodyLimit: JOIN_BYTES, config: { rate: 'token' } }, async (request) => {
    parseNothing(request.query as RawQuery);
    checkJoin(request.body);
    const { csr, vtep = comesFrom(request.ip), ...rest } = request.body as JoinInput;
    // Costs less than to read what a stranger has sent.
    const shown = shownJoinToken(world, rest.token).record;
    request.joinToken = shown.id;
    refuseEnded(shown, ctx.now());
    // From here on it counts as its token, and not as an address that it may share with whoever has none.
    request.tooSoon = undefined;
    ctx.rateLimit?.take(`token:${request.joinToken}`, 'write');
    const { fingerprint: key } = await readRequest(csr);
    const turn = joinTokenKey(request.joinToken);
    const { change } = await writer.onHost(turn, (rules) => decideJoin(rules, { ...rest, vtep, key }));
    const { id, name } = change.after!.record;
    const { generation, joined } = world.trust.host(id).record;
    // Somebody else may have joined in its place already, or it may be shut out.
    if (joined?.key !== key) throw new HeddleError('CERTIFICATE_REVOKED', { host: name });
    const issuer = await authority();
    return { host: { id, name }, ...(await issuer.issueHost(csr, id, generation)), ca: issuer.bundle() };
  });

  app.post(fastifyPath(trustPaths.certificate), async (request) => {
    parseNothing(request.query as RawQuery);
    checkRenewal(request.body);
    const { id, name } = must(world, 'host', '-', (request.params as { host: string }).host).record;
    requireSelf(request.access, id, 'renew', `the certificate of host ${name}`);
    const issuer = await authority();
    const { generation } = world.trust.host(id).record;
    const { csr } = request.body as RenewalInput;
    return { ...(await issuer.issueHost(csr, id, generation)), ca: issuer.bundle() };
  });

  app.post(fastifyPath(trustPaths.revoke), async (request) => {
    parseNothing(request.query as RawQuery);
    const { host } = request.params as { host: string };
    const { change } = await writer.onHost(`revoke/${host}`, (rules) => decideRevocation(rules, host));
    return viewOf(change.after!, ctx);
  });
}

/** The address of who asks, in its plain form. @throws INVALID if it has none that others could reach */
function comesFrom(ip: string | undefined): string {
  const plain = ip?.replace(/^::ffff:/, '') ?? '';
  if (isIP(plain) === 0 || plain === '::1' || plain.startsWith('127.'))
    throw new HeddleError('INVALID', { field: 'vtep', problem: 'is required by this way' });
  return plain;
}

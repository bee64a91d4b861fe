/**
 * The one table of errors. A code is API: clients decide by it, the text is only for people.
 *
 * Families: *refused* (the caller can mend it), *unavailable* (try again later), *broken* (ours; carries the cause).
 */
import { article } from './article.ts';
import type { DocumentProblem } from './document-problem.ts';

type Text<D> = (d: D) => string;
interface Spec {
  status: number;
  family: 'refused' | 'unavailable' | 'broken';
  text: Text<never>;
}

export const errors = {
  BAD_REQUEST: refused(400, (d: { problem: string }) => `the request cannot be read: ${d.problem}`),
  INVALID: refused(400, (d: { field: string; problem: string }) => `${d.field || 'body'}: ${d.problem}`),
  NAME_INVALID: refused(
    400,
    (d: { name: string }) =>
      `"${d.name}" is no name: use 1 to 63 of a-z, A-Z, 0-9, '.', '_', '-', beginning with a letter or digit`,
  ),
  VNI_OUT_OF_RANGE: refused(400, (d: { vni: number }) => `VNI ${d.vni} is outside 1..16777215`),
  MAC_INVALID: refused(400, (d: { mac: string }) => `"${d.mac}" is no unicast MAC address`),
  ADDRESS_INVALID: refused(400, (d: { address: string }) => `"${d.address}" is no IP address that a port can have`),
  PREFIX_INVALID: refused(400, (d: { prefix: string; problem: string }) => `prefix "${d.prefix}": ${d.problem}`),
  PREFIX_OVERLAPS: refused(
    409,
    (d: { prefix: string; other: string; subnet: string }) =>
      `prefix ${d.prefix} overlaps ${d.other} of subnet ${d.subnet}`,
  ),
  ROUTE_INVALID: refused(400, (d: { destination: string; problem: string }) => `route ${d.destination}: ${d.problem}`),
  TRANSLATION_INVALID: refused(
    400,
    (d: { subnet: string; as: string; problem: string }) => `subnet ${d.subnet} as ${d.as}: ${d.problem}`,
  ),
  ROUTER_LIMIT: refused(409, (d: { limit: number }) => `a tenant has at most ${d.limit} routers`),
  SUBNET_WITHOUT_GATEWAY: refused(
    409,
    (d: { subnet: string; cidr: string }) =>
      `subnet ${d.subnet} (${d.cidr}) has no gateway address, so nothing in it can send to a router: make it anew with one, or leave it out`,
  ),
  PEER_OVERLAPS: refused(
    409,
    (d: { prefix?: string; peer: string }) =>
      `${d.prefix === undefined ? 'an address of another router' : `prefix ${d.prefix}`} overlaps an address of peer ${d.peer}, and with these peers one router would reach both: take another prefix, or leave out the peer`,
  ),
  NETWORK_ROUTED: refused(
    409,
    (d: { network: string; router: string }) =>
      `network ${d.network} has subnets in router ${d.router}, and a network is in one router: take them out there, or join this one there too`,
  ),
  POOL_INVALID: refused(400, (d: { pool: string; problem: string }) => `pool ${d.pool}: ${d.problem}`),
  ADDRESS_OUTSIDE: refused(
    400,
    (d: { address: string; network: string }) => `address ${d.address} is in no subnet of network ${d.network}`,
  ),
  ADDRESS_RESERVED: refused(409, (d: { address: string; why: string }) => `address ${d.address} is reserved: ${d.why}`),
  ADDRESS_TAKEN: refused(
    409,
    (d: { address: string; port?: string; host?: string; shared?: string }) =>
      `address ${d.address} is ${d.shared !== undefined ? `shared, as ${d.shared}` : d.port === undefined ? `held by host ${d.host}` : `taken by port ${d.port}`}`,
  ),
  ADDRESS_POOL_EXHAUSTED: refused(
    507,
    (d: {
      tenant: string;
      network: string;
      family: 4 | 6;
      subnets: readonly { name: string; cidr: string; pools: readonly string[]; ports: number; held: number }[];
      hosts: readonly { host: string; held: number }[];
    }) => {
      const subnets = d.subnets.map(
        (s) =>
          `subnet ${s.name} (${s.cidr}, pool ${s.pools.join(' ')}): ${s.ports} used by ports, ${s.held} held by hosts`,
      );
      const hosts = d.hosts.map((h) => `${h.host}: ${h.held}`).join(', ');
      const grow = `heddle subnet create ${d.network}-more --tenant ${d.tenant} --network ${d.network} --cidr <prefix>`;
      return `network ${d.network} has no free IPv${d.family} address; ${subnets.join('; ')}${hosts && ` (${hosts})`}. Add a subnet: ${grow}`;
    },
  ),
  QUOTA_EXCEEDED: refused(
    409,
    (d: { tenant: string; of: string; limit: number; used: number; wanted: number }) =>
      `quota of tenant ${d.tenant}: ${d.used} of ${d.limit} ${d.of} in use, no room for ${d.wanted} more; delete some, or raise the limit: heddle quota set ${d.of}=<limit> --tenant ${d.tenant}`,
  ),
  SHARED_LIMIT: refused(409, (d: { of: string; limit: number }) => `${d.of} has at most ${d.limit} shared addresses`),
  ADDRESS_LIMIT: refused(400, (d: { limit: number }) => `a port has at most ${d.limit} addresses`),
  ADDRESS_NOT_OF_MAC: refused(
    409,
    (d: { address: string; mac: string; own: string }) =>
      `address ${d.address} is in a subnet where addresses are made of MACs, and that of ${d.mac} is ${d.own}: ask for that one, or leave MAC or address out`,
  ),
  MAC_TAKEN: refused(
    409,
    (d: { mac: string; port?: string; host?: string }) =>
      `MAC ${d.mac} is ${d.port === undefined ? `held by host ${d.host}` : `taken by port ${d.port}`} of the same network`,
  ),
  MAC_RESERVED: refused(409, (d: { mac: string }) => `MAC ${d.mac} is that of the gateways; no port can have it`),
  VNI_TAKEN: refused(409, (d: { vni: number }) => `VNI ${d.vni} is taken`),
  VNI_POOL_EXHAUSTED: refused(507, (d: { owner: string }) => `no free VNI for ${d.owner}`),
  SEGMENT_POOL_EXHAUSTED: refused(507, (d: { limit: number }) => `an installation has at most ${d.limit} segments`),
  HOST_POOL_EXHAUSTED: refused(507, (d: { limit: number }) => `an installation has at most ${d.limit} hosts`),
  VTEP_TAKEN: refused(
    409,
    (d: { vtep: string; host: string }) => `underlay address ${d.vtep} is one of host ${d.host}`,
  ),
  NAME_TAKEN: refused(
    409,
    (d: { kind: string; name: string; instead?: string }) =>
      `${article(d.kind)} named ${d.name} exists${d.instead === undefined ? '' : `; ${d.instead}`}`,
  ),
  ID_TAKEN: refused(409, (d: { kind: string; id: string }) => `${d.kind} ${d.id} exists with other content`),
  IN_USE: refused(
    409,
    (d: { kind: string; name: string; by: string; count: number; instead?: string }) =>
      `${d.kind} ${d.name} is used by ${d.count} ${d.by}${d.count === 1 ? '' : d.by.endsWith('s') ? 'es' : 's'}; delete ${d.count === 1 ? 'it' : 'them'} first${d.instead === undefined ? '' : `, or ${d.instead}`}`,
  ),
  IMMUTABLE: refused(
    400,
    (d: { kind: string; field: string }) => `${d.field} of ${article(d.kind)} cannot change; make a new one`,
  ),
  REVISION_CONFLICT: refused(
    412,
    (d: { want: string; have: string }) =>
      `the object is at revision ${d.have}, not ${d.want}: read it again, then repeat`,
  ),
  UNAUTHENTICATED: refused(
    401,
    (_: Record<string, never>) =>
      'nobody knows who asks: log in with "heddle login", or send an API token (authorization: Bearer hdt_…)',
  ),
  TOKEN_INVALID: refused(401, (d: { problem: string }) => `the token is no good: ${d.problem}`),
  TOKEN_LIMIT: refused(
    409,
    (d: { user: string; limit: number }) => `user ${d.user} has ${d.limit} tokens, and there are no more: delete some`,
  ),
  FORBIDDEN: refused(
    403,
    (d: { who: string; verb: string; what: string; tenant?: string; instead?: string }) =>
      `${d.who} may not ${d.verb} ${d.what}${d.tenant === undefined ? '' : ` of tenant ${d.tenant}`}: ${d.instead ?? 'whoever grants roles there can change that'}`,
  ),
  NOT_FOUND: refused(404, (d: { kind: string; name: string }) => `there is no ${d.kind} ${d.name}`),
  ROUTE_UNKNOWN: refused(404, (d: { method: string; path: string }) => `${d.method} ${d.path} is no route of this API`),
  TOO_LARGE: refused(413, (d: { limitBytes: number }) => `the body is over ${d.limitBytes} bytes`),
  COMPACTED: refused(
    410,
    (d: { revision: string; oldest: string; oldestAt?: string; written?: number }) =>
      `${/^\d+$/.test(d.revision) ? 'revision ' : ''}${d.revision} is compacted; the oldest that is left is ${d.oldest}${d.oldestAt === undefined ? '' : ` of ${d.oldestAt}`}${writtenBefore(d.written)}. Who watches: list again, then watch from there`,
  ),
  REVISION_UNKNOWN: refused(
    404,
    (d: { revision: string; newest: string }) => `there is no revision ${d.revision} yet: the newest is ${d.newest}`,
  ),
  EXISTS: refused(
    412,
    (d: { kind: string; name: string; revision: string }) =>
      `${d.kind} ${d.name} is there, at revision ${d.revision}, and was to be made only if it is not`,
  ),
  DOCUMENTS_REFUSED: refused(409, (d: { problems: readonly DocumentProblem[]; more: number; written: number }) => {
    const lines = d.problems.map(
      (p) =>
        `\n  ${p.at ?? (p.document === undefined ? 'to be pruned' : `document ${p.document}`)}: ${p.object}: ${p.problem} [${p.code}]`,
    );
    const more = d.more > 0 ? `\n  and ${d.more} more` : '';
    const what =
      d.written === 0
        ? 'nothing was written'
        : `others wrote meanwhile; ${d.written} changes were written before: apply again when it is mended`;
    return `these documents are refused, and ${what}:${lines.join('')}${more}`;
  }),
  SET_TAKEN: refused(
    409,
    (d: { set: string; want: string }) =>
      `it belongs to set ${d.set}, not ${d.want}: apply it with --set ${d.set}, or take it over with --take`,
  ),
  ROLLBACK_REFUSED: refused(
    409,
    (d: {
      to: string;
      problems: readonly { kind: string; name: string; code: string; problem: string }[];
      written: number;
    }) => {
      const problems = d.problems.map((p) => `${p.kind} ${p.name}: ${p.problem} [${p.code}]`).join('; ');
      const what =
        d.written === 0
          ? 'nothing was changed'
          : `others wrote meanwhile; ${d.written} changes were written before: roll back again when it is mended`;
      return `what was there at revision ${d.to} cannot come back, and ${what}: ${problems}`;
    },
  ),
  CHAIN_LIMIT: refused(
    409,
    (d: { left: number; problem: string }) =>
      `it waits for others that wait for others, ${d.left} in all, which is too many to be followed at once; now: ${d.problem}. Change some of them first`,
  ),
  PORT_BOUND: refused(
    409,
    (d: { port: string; host: string }) =>
      `port ${d.port} is bound to host ${d.host}; detach it there first, or make the other host its standby and then its host`,
  ),
  PORT_BEHIND: refused(
    409,
    (d: { port: string; behind: string; problem: string }) => `port ${d.port} behind ${d.behind}: ${d.problem}`,
  ),
  PORTS_BEHIND_LIMIT: refused(
    409,
    (d: { port: string; limit: number }) => `at most ${d.limit} ports are behind one port, and ${d.port} has them`,
  ),
  SEGMENT_HELD: refused(409, (d: { problem: string }) => d.problem),
  SEGMENT_UNAWARE: refused(
    409,
    (d: { segment: string; host: string }) =>
      `host ${d.host} serves segment ${d.segment} and does not answer: until it knows of another, that one may not serve it (if ${d.host} is gone for good: heddle host delete ${d.host} --gone)`,
  ),
  NETNS_NOT_FOUND: refused(404, (d: { path: string }) => `${d.path} is no network namespace`),
  LAB_BUSY: refused(409, (d: { name: string }) => `another command is making or removing lab ${d.name}`),
  IFNAME_INVALID: refused(
    400,
    (d: { ifname: string }) =>
      `"${d.ifname}" is no interface name: 1 to 15 characters without '/', ':', '%' or white space; of a tap letters, digits, '.', '_' and '-'`,
  ),
  IFNAME_TAKEN: refused(
    409,
    (d: { ifname: string; netns: string }) => `${d.netns} already has an interface ${d.ifname} that is not ours`,
  ),
  TAP_GONE: refused(
    409,
    (d: { ifname: string }) =>
      `tap ${d.ifname}, which was here before it was attached, is gone: its owner must make it again`,
  ),
  TAP_LIMIT: refused(
    409,
    (d: { user: number; limit: number }) =>
      `user ${d.user} has ${d.limit} taps on this host, and there are no more: detach some, or have root attach it`,
  ),
  NIC_GONE: refused(
    409,
    (d: { ifname: string }) => `NIC ${d.ifname} is gone; its segment is there again as soon as it is`,
  ),
  HOST_ROUTE_TAKEN: refused(
    409,
    (d: { prefix: string; route: string; device: string }) =>
      `this host reaches ${d.route} by ${d.device}: ${d.prefix} would take that away`,
  ),
  ATTACHMENT_CONFLICT: refused(
    409,
    (d: { port: string; have: string; want: string }) =>
      `port ${d.port} is attached to ${d.have}, not ${d.want}; detach it first`,
  ),
  LEAVE_BLOCKED: refused(
    409,
    (d: { host: string; problems: readonly string[] }) => `host ${d.host} cannot leave yet: ${d.problems.join('; ')}`,
  ),
  HOST_LEAVES: refused(409, (d: { host: string }) => `host ${d.host} is leaving Heddle`),
  DETACHED: refused(409, (d: { port: string }) => `port ${d.port} was detached meanwhile: attach it again`),
  DEVICE_GONE: refused(
    409,
    (d: { device: string; owner: string }) =>
      `device ${d.device} is gone, and with it the interface in the workload (${d.owner}): only a new start of the workload makes it again`,
  ),
  HOST_PORT_TAKEN: refused(
    409,
    (d: { protocol: 'tcp' | 'udp'; hostPort: number; hostAddress?: string }) =>
      `${d.protocol} port ${d.hostPort}${d.hostAddress === undefined ? '' : ` of ${d.hostAddress}`} of this host is taken`,
  ),
  NAT_UNAVAILABLE: unavailable(
    503,
    (d: { problem: string }) => `this host cannot translate addresses (nftables): ${d.problem}`,
  ),
  TENANT_FORBIDDEN: refused(
    403,
    (d: { tenant: string; tenants: readonly string[] }) =>
      `containers of this host may not use tenant ${d.tenant}, only ${d.tenants.join(', ')}: its agent's --docker-tenant says so`,
  ),
  TENANT_NOT_GIVEN: refused(
    403,
    (d: { tenant: string; host: string }) =>
      `host ${d.host} was not given tenant ${d.tenant}, if there is one: ask who operates Heddle; heddle host update ${d.host} --tenants names all that it is to have`,
  ),
  ENGINE_FORBIDDEN: refused(
    403,
    (d: { who: string; tenants: readonly string[]; problem: string }) =>
      `${d.who} may not do this on this engine: ${d.problem}. Its tenants here: ${d.tenants.join(', ') || 'none'} (the file of its agent’s --docker-authz)`,
  ),
  OPTION_UNKNOWN: refused(
    400,
    (d: { option: string; known: readonly string[] }) => `there is no option ${d.option}, only ${d.known.join(', ')}`,
  ),
  HOST_MISMATCH: refused(409, (d: { problem: string; connectedFrom?: string }) => d.problem),
  NOT_JOINED: refused(
    400,
    (d: { controller: string }) =>
      `this host has not joined ${d.controller}: make a token (heddle host token create), and here: heddle agent join ${d.controller} <token>`,
  ),
  IDENTITY_BROKEN: broken(
    (d: { file: string }) => `${d.file} cannot be read: remove it, and join again (heddle agent join)`,
  ),
  HOST_ONLINE: refused(
    409,
    (d: { host: string; change: string }) =>
      `host ${d.host} is connected, and ${d.change} is its agent's to say: stop the agent first`,
  ),
  PROTOCOL_MISMATCH: refused(
    400,
    (d: { have: number; want: number }) =>
      `the agent speaks protocol ${d.have}, this controller ${d.want}: upgrade the older one`,
  ),
  JOIN_TOKEN_LIMIT: refused(
    409,
    (d: { limit: number }) => `an installation has at most ${d.limit} tokens to join: delete some`,
  ),
  CERTIFICATE_INVALID: refused(401, (d: { problem: string }) => `this certificate does not count: it is ${d.problem}`),
  HOST_GONE: refused(
    401,
    (d: { host: string }) =>
      `this certificate is of host ${d.host}, which was deleted; to have the server join again: heddle host token create, and there heddle agent join`,
  ),
  CERTIFICATE_REVOKED: refused(
    401,
    (d: { host: string }) =>
      `the certificate of host ${d.host} is revoked; to let it in again: heddle host token create --name ${d.host}, and there heddle agent join`,
  ),
  CA_MISMATCH: refused(
    409,
    (d: { pin: string }) =>
      `the authority that answers is not the one that is expected, with the pin ${d.pin}: somebody is between, or it is another installation`,
  ),
  CA_ROTATING: refused(
    409,
    (d: { older: string }) =>
      `authority ${d.older} has a successor already: wait until nothing is of it any more (heddle ca status), then heddle ca retire`,
  ),
  CA_IN_USE: refused(
    409,
    (d: { authority: string; hosts: readonly string[]; more: number }) =>
      `certificates of authority ${d.authority} still count on ${d.hosts.join(', ')}${d.more > 0 ? ` and ${d.more} more` : ''}: they are renewed within a day while the hosts are online; with --force these must join again`,
  ),
  LOGIN_REFUSED: refused(403, (d: { issuer: string; problem: string }) => `${d.issuer} lets nobody in: ${d.problem}`),
  LOGIN_EXPIRED: refused(
    401,
    (d: { context: string; problem: string }) =>
      `the login of context ${d.context} is over (${d.problem}): heddle login --context ${d.context}`,
  ),
  CONTEXT_UNKNOWN: refused(404, (d: { context: string; known: readonly string[] }) =>
    d.known.length === 0
      ? `there is no context ${d.context}, and no other: heddle login <address> makes one`
      : `there is no context ${d.context}, only ${d.known.join(', ')}`,
  ),
  CONTEXTS_UNREADABLE: refused(409, (d: { file: string; problem: string }) => `${d.file}: ${d.problem}`),
  PROVIDER_UNREACHABLE: unavailable(
    503,
    (d: { issuer: string; problem: string }) => `no answer from the OpenID provider ${d.issuer}: ${d.problem}`,
  ),
  USAGE: refused(400, (d: { problem: string }) => d.problem),
  CONTROLLER_UNREACHABLE: unavailable(
    503,
    (d: { address: string; problem: string }) => `no answer from the controller at ${d.address}: ${d.problem}`,
  ),
  AGENT_UNREACHABLE: unavailable(
    503,
    (d: { socket: string; problem: string }) =>
      `no answer from the agent at ${d.socket}: ${d.problem}. Is "heddle agent" running on this host?`,
  ),
  ENGINE_UNREACHABLE: unavailable(
    503,
    (d: { socket: string; problem: string }) => `no answer from the Docker engine at ${d.socket}: ${d.problem}`,
  ),
  ENGINE_REFUSED: refused(
    409,
    (d: { request: string; status: number; problem: string }) =>
      `the Docker engine refused ${d.request} (${d.status}): ${d.problem}`,
  ),
  HOST_OFFLINE: unavailable(503, (d: { host: string }) => `host ${d.host} is not connected to the controller`),
  BUSY: unavailable(503, (d: ({ tries: number } | { waiting: number } | { who: string }) & { written?: number }) => {
    const why =
      'tries' in d
        ? `others wrote first, ${d.tries} times in a row`
        : 'who' in d
          ? `another request of ${d.who} waits already`
          : `${d.waiting} others wait for the same`;
    return `${why}${writtenBefore(d.written)}: repeat the request`;
  }),
  RATE_LIMITED: unavailable(
    429,
    (d: { what: 'write' | 'read'; perSecond: number; retryAfterMs: number }) =>
      `too many ${d.what}s from you, more than ${d.perSecond} a second over a while: repeat the request in ${d.retryAfterMs} ms`,
  ),
  WAIT_TIMEOUT: unavailable(
    504,
    (d: { revision: string; hosts: readonly string[] }) =>
      `written at revision ${d.revision}, but not yet applied by ${d.hosts.join(', ')}`,
  ),
  SLOTS_EXHAUSTED: unavailable(507, (d: { limit: number }) => `this host has its ${d.limit} local ports already`),
  KERNEL_MAP_FULL: unavailable(
    507,
    (d: { map: string; limit: number }) => `BPF map ${d.map} is full (${d.limit} entries)`,
  ),
  HOST_UNFIT: broken(
    (d: { problems: readonly string[] }) =>
      `this host cannot run Heddle’s agent: ${d.problems.join('; ')}. All of it: heddle doctor`,
  ),
  KERNEL_UNSUPPORTED: broken((d: { feature: string; need: string }) => `this kernel cannot do ${d.feature}: ${d.need}`),
  KERNEL: broken(
    (d: { operation: string; errno: string; object: string; extack?: string }) =>
      `${d.operation} ${d.object}: ${d.errno}${d.extack ? ` (${d.extack})` : ''}`,
  ),
  LINK_MISMATCH: broken((d: { link: string; want: string; have: string }) => `${d.link} is ${d.have}, want ${d.want}`),
  SERVICE_FAILED: broken(
    (d: { unit: string; problem: string }) => `${d.unit}: ${d.problem}. Its log: journalctl --unit ${d.unit}`,
  ),
  LAB_FAILED: broken((d: { problem: string }) => `the lab: ${d.problem}`),
  STORE_BROKEN: broken((d: { problem: string }) => `the store cannot be used: ${d.problem}`),
  INTERNAL: broken((d: { problem: string }) => d.problem),
} satisfies Record<string, Spec>;

function refused<D>(status: number, text: Text<D>) {
  return { status, family: 'refused', text } as const;
}
function unavailable<D>(status: number, text: Text<D>) {
  return { status, family: 'unavailable', text } as const;
}
function broken<D>(text: Text<D>) {
  return { status: 500, family: 'broken', text } as const;
}

/** Of what is decided anew when others write in between. */
const writtenBefore = (written = 0): string => (written > 0 ? `; ${written} changes were written before` : '');

/** Every error code there is. */
export type Code = keyof typeof errors;
/** The typed details that go with a code. */
type Details<C extends Code> = Parameters<(typeof errors)[C]['text']>[0];

/** The one error class: a code and its details; the message is made from them. */
export class HeddleError<C extends Code = Code> extends Error {
  readonly code: C;
  readonly details: Details<C>;
  /** Of the request that a server refused with this; its log has it. */
  declare requestId?: string;
  constructor(code: C, details: Details<C>, cause?: unknown) {
    super((errors[code].text as Text<Details<C>>)(details), cause === undefined ? undefined : { cause });
    this.name = 'HeddleError';
    this.code = code;
    this.details = details;
  }
}

/** True for an error of the given code; use it instead of comparing texts. */
export function hasCode<C extends Code>(e: unknown, code: C): e is HeddleError<C> {
  return e instanceof HeddleError && e.code === code;
}

/** An error as it travels (RFC 9457, application/problem+json). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: Code;
  details: Record<string, unknown>;
  /** The request’s id at the server, by which its log has it. */
  requestId?: string;
}

/** Any thrown value as a problem. What is not ours becomes INTERNAL and shows nothing of its cause. */
export function toProblem(e: unknown): Problem {
  const known: HeddleError =
    e instanceof HeddleError
      ? e
      : new HeddleError('INTERNAL', { problem: 'an unexpected error; the log has the cause' }, e);
  const { status, family } = errors[known.code];
  return {
    type: `urn:heddle:error:${known.code}`,
    title: family,
    status,
    detail: known.message,
    code: known.code,
    details: { ...known.details },
    ...(known.requestId !== undefined && { requestId: known.requestId }),
  };
}

/** The error that a problem describes; a code this version does not know becomes INTERNAL with the sender's text. */
export function fromProblem(p: Pick<Problem, 'code' | 'details' | 'detail' | 'requestId'>): HeddleError {
  const e =
    p.code in errors ? new HeddleError(p.code, p.details as never) : new HeddleError('INTERNAL', { problem: p.detail });
  if (p.requestId !== undefined) e.requestId = p.requestId;
  return e;
}

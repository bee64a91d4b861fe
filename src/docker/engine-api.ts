/** The part of the Docker engine's API that Heddle uses, over its unix socket. Only what is read is checked. */
import { type IncomingMessage, request } from 'node:http';
import { Check, type Static, type TSchema, Type } from '#typebox';
import { readLines, readText } from '../client/transport.ts';
import { HeddleError, hasCode } from '../model/errors.ts';

/** The oldest API that has all of it: Docker 19.03's. */
const oldest = { major: 1, minor: 40 } as const;
/** So long an answer may take to begin, ms: the engine answers for a container only when nothing else works on it. */
const answerMs = 30_000;

/** The program of our managed plug-in, by which we know it whatever its name is. */
const swarmProxy = '/heddle-proxy';

/** Go writes an empty map or list as null. */
const OrNull = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));
const Texts = OrNull(Type.Record(Type.String(), Type.String()));

const Endpoint = Type.Object({
  NetworkID: Type.String(),
  EndpointID: Type.String(),
  IPAddress: Type.Optional(Type.String()),
  GlobalIPv6Address: Type.Optional(Type.String()),
  MacAddress: Type.Optional(Type.String()),
  Aliases: OrNull(Type.Array(Type.String())),
  IPAMConfig: OrNull(
    Type.Object({ IPv4Address: Type.Optional(Type.String()), IPv6Address: Type.Optional(Type.String()) }),
  ),
});
const NetworkSettings = Type.Object({ Networks: OrNull(Type.Record(Type.String(), Endpoint)) });
const ContainerSummary = Type.Object({ Id: Type.String(), NetworkSettings: OrNull(NetworkSettings) });
const Container = Type.Object({
  Id: Type.String(),
  /** With a slash before it. */
  Name: Type.String(),
  State: Type.Object({ Running: Type.Boolean() }),
  Config: Type.Object({ Hostname: Type.String(), Image: Type.String(), Labels: Texts }),
  NetworkSettings,
});
const Network = Type.Object({
  Id: Type.String(),
  Name: Type.String(),
  Driver: Type.String(),
  Scope: Type.String(),
  Internal: Type.Boolean(),
  Ingress: Type.Optional(Type.Boolean()),
  ConfigOnly: Type.Optional(Type.Boolean()),
  Options: Texts,
  Labels: Texts,
  IPAM: Type.Object({
    Driver: Type.Optional(Type.String()),
    Options: Texts,
    Config: OrNull(
      Type.Array(
        Type.Object({
          Subnet: Type.Optional(Type.String()),
          IPRange: Type.Optional(Type.String()),
          Gateway: Type.Optional(Type.String()),
          AuxiliaryAddresses: Texts,
        }),
      ),
    ),
  }),
  /** By container's id, or "ep-<endpoint's id>"; a list of networks does not have them. */
  Containers: OrNull(
    Type.Record(
      Type.String(),
      Type.Object({ EndpointID: Type.String(), IPv4Address: Type.String(), IPv6Address: Type.String() }),
    ),
  ),
});
const Service = Type.Object({
  ID: Type.String(),
  Spec: Type.Object({
    Name: Type.String(),
    EndpointSpec: OrNull(Type.Object({ Mode: Type.Optional(Type.String()) })),
    TaskTemplate: Type.Object({ Networks: OrNull(Type.Array(Type.Object({ Target: Type.String() }))) }),
  }),
});
const EngineEvent = Type.Object({
  Type: Type.String(),
  Action: Type.String(),
  Actor: Type.Object({ ID: Type.String(), Attributes: Texts }),
});
const Info = Type.Object({
  ID: Type.String(),
  Name: Type.String(),
  Swarm: Type.Optional(Type.Object({ LocalNodeState: Type.String(), ControlAvailable: Type.Optional(Type.Boolean()) })),
});
const Plugin = Type.Object({
  Name: Type.String(),
  Enabled: Type.Boolean(),
  Config: Type.Object({ Entrypoint: OrNull(Type.Array(Type.String())) }),
});
const Version = Type.Object({ ApiVersion: Type.String() });
const Refusal = Type.Object({ message: Type.String() });

export type EngineContainer = Static<typeof Container>;
export type EngineNetwork = Static<typeof Network>;
export type EngineService = Static<typeof Service>;
export type EngineEvent = Static<typeof EngineEvent>;
type ContainerSummary = Static<typeof ContainerSummary>;

/** A client of one engine, of the API's version that this speaks. Holds nothing open. @throws ENGINE_UNREACHABLE, ENGINE_REFUSED */
export interface Engine {
  /** Its lasting id, and its machine's name. */
  info(): Promise<Static<typeof Info>>;
  /** All containers, running or not. */
  containers(): Promise<ContainerSummary[]>;
  container(idOrName: string): Promise<EngineContainer | undefined>;
  /** All networks, without their containers. */
  networks(): Promise<EngineNetwork[]>;
  /** One network with its containers. */
  network(idOrName: string): Promise<EngineNetwork | undefined>;
  /** The managed plug-in of ours that is enabled, as networks name it, if the engine is a node of a Swarm. */
  swarmDriver(): Promise<string | undefined>;
  /** The Swarm's services; none if the engine is no manager of one. */
  services(): Promise<EngineService[]>;
  /** What happens to containers and networks from now on; resolves when the engine has begun to tell. */
  events(until: AbortSignal): Promise<AsyncIterable<EngineEvent>>;
  /** A change. */
  post(path: string, body?: unknown): Promise<void>;
  remove(path: string): Promise<void>;
}

/**
 * Finds out which version the engine speaks.
 * @param signal ends every request
 * @throws ENGINE_UNREACHABLE
 */
export async function connectEngine(socket: string, signal?: AbortSignal): Promise<Engine> {
  const target: Target = { socket, signal };
  const { ApiVersion } = await read(target, '/version', Version);
  const [major = 0, minor = 0] = ApiVersion.split('.').map(Number);
  if (major < oldest.major || (major === oldest.major && minor < oldest.minor))
    throw new HeddleError('ENGINE_UNREACHABLE', {
      socket,
      problem: `it speaks API ${ApiVersion}, and ${oldest.major}.${oldest.minor} or newer is needed`,
    });
  const base = `/v${ApiVersion}`;
  const one = async <T extends TSchema>(path: string, schema: T) => {
    try {
      return await read(target, base + path, schema);
    } catch (e) {
      if (isNotFound(e)) return undefined;
      throw e;
    }
  };
  const change = async (method: string, path: string, body?: unknown) =>
    void (await readText(await send(target, method, base + path, body)));
  return {
    info: () => read(target, `${base}/info`, Info),
    containers: () => read(target, `${base}/containers/json?all=true`, Type.Array(ContainerSummary)),
    container: (id) => one(`/containers/${encodeURIComponent(id)}/json`, Container),
    networks: () => read(target, `${base}/networks`, Type.Array(Network)),
    network: (id) => one(`/networks/${encodeURIComponent(id)}`, Network),
    post: (path, body) => change('POST', path, body),
    remove: (path) => change('DELETE', path),
    async swarmDriver() {
      const { Swarm } = await read(target, `${base}/info`, Info);
      if (Swarm?.LocalNodeState !== 'active') return undefined;
      const plugins = await read(target, `${base}/plugins`, Type.Array(Plugin));
      return plugins.find((p) => p.Enabled && p.Config.Entrypoint?.[0] === swarmProxy)?.Name;
    },
    async services() {
      const { Swarm } = await read(target, `${base}/info`, Info);
      return Swarm?.ControlAvailable ? read(target, `${base}/services`, Type.Array(Service)) : [];
    },
    async events(until) {
      const filters = encodeURIComponent(JSON.stringify({ type: ['container', 'network'] }));
      const either = { socket, signal: signal ? AbortSignal.any([signal, until]) : until };
      return eventsOf(await send(either, 'GET', `${base}/events?filters=${filters}`), socket);
    },
  };
}

/** Where requests go, and what ends them. */
interface Target {
  readonly socket: string;
  readonly signal: AbortSignal | undefined;
}

const isNotFound = (e: unknown): boolean => hasCode(e, 'ENGINE_REFUSED') && e.details.status === 404;

async function* eventsOf(response: IncomingMessage, socket: string): AsyncGenerator<EngineEvent> {
  for await (const line of readLines(response))
    if (line.trim() !== '') yield parse(socket, 'an event', line, EngineEvent);
}

async function read<T extends TSchema>(target: Target, path: string, schema: T): Promise<Static<T>> {
  return parse(target.socket, `GET ${path}`, await readText(await send(target, 'GET', path)), schema);
}

/** @throws ENGINE_UNREACHABLE if the text is not what the schema says */
function parse<T extends TSchema>(socket: string, what: string, text: string, schema: T): Static<T> {
  const value = jsonOf(text);
  if (Check(schema, value)) return value;
  throw new HeddleError('ENGINE_UNREACHABLE', { socket, problem: `${what} was not answered as Docker does` });
}

/** Sends a request; resolves when the answer begins. */
async function send(
  { socket, signal }: Target,
  method: string,
  path: string,
  body?: unknown,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers =
    body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  const outgoing = request(
    { socketPath: socket, method, path, headers, host: 'docker', ...(signal && { signal }) },
    resolve,
  );
  const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
  outgoing.on('error', reject).end(text);
  let response: IncomingMessage;
  try {
    response = await promise;
  } catch (cause) {
    signal?.throwIfAborted();
    throw new HeddleError('ENGINE_UNREACHABLE', { socket, problem: (cause as Error).message }, cause);
  } finally {
    clearTimeout(timer);
  }
  const status = response.statusCode ?? 500;
  if (status < 400) return response;
  const refusal = await readText(response);
  throw new HeddleError('ENGINE_REFUSED', { request: `${method} ${path}`, status, problem: refusalText(refusal) });
}

/** The engine's own words. */
function refusalText(text: string): string {
  const value = jsonOf(text);
  return Check(Refusal, value) ? value.message : text;
}

/** The value of a JSON text; undefined if it is none. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // who reads it says what is wrong
  }
}

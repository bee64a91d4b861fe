/** What a request of the engine's API would touch. Whatever is not listed here, no tenant's user may do. Pure. */
import { HeddleError } from '../../model/errors.ts';
import { parseDriverOptions, parseIpamOptions } from '../options.ts';
import { dockerOption } from '../protocol.ts';
import { asFields, type Fields, parseBody } from './body.ts';
import { requireTame } from './host-config.ts';
import { isIdLike } from './id-like.ts';
import { isEmpty, type Known, oneOf, requireKnown } from './struct.ts';
import { parseTarget } from './target.ts';

/** A request of the engine's API. */
export interface Asked {
  readonly method: string;
  /** As it was sent. */
  readonly uri: string;
  readonly body?: Buffer | undefined;
  /** As the engine tells them: of one that is there twice the last. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Each as the request names it: by name, id, or the beginning of an id. */
export interface Deed {
  readonly networks?: readonly string[];
  readonly containers?: readonly string[];
  /** The id of an exec. */
  readonly exec?: string;
  /** A network that is made: its name, and the tenant it will be of. */
  readonly makes?: { readonly name: string; readonly tenants: readonly string[] };
  /** Volumes by name, with whose they are: nobody's if no tenant's. */
  readonly volumes?: readonly { readonly name: string; readonly tenant: string | undefined }[];
}

/** The engine's network driver of ours. */
export interface Driver {
  readonly name: string;
  /** Of --docker-tenant: the first is what a network is of that names none. */
  readonly tenants: readonly string[];
}

interface Read extends Asked {
  /** What the path's pattern has in brackets. */
  readonly term: string;
  readonly query: URLSearchParams;
  readonly driver: Driver;
}
type Route = readonly [methods: string, path: RegExp, deed: (read: Read) => Deed];

const nothing = (): Deed => ({});
const theContainer = ({ term }: Read): Deed => ({ containers: [term] });
const name = '([^/]+)';

const routes: readonly Route[] = [
  // What is everybody's on an engine: lists and images.
  ['GET HEAD', /^\/_ping$/, nothing],
  ['GET', /^\/(version|info|events|system\/df|plugins|containers\/json|networks\/?|volumes)$/, nothing],
  ['POST', /^\/images\/create$/, newImage],
  ['GET POST DELETE', /^\/images\/(?!prune$).+$/, nothing],
  ['GET', /^\/distribution\/.+\/json$/, nothing],
  ['POST', /^\/auth$/, nothing],

  ['POST', /^\/volumes\/create$/, newVolume],
  ['GET DELETE', new RegExp(`^/volumes/${name}$`), ({ term, driver }) => ({ volumes: [volume(term, driver)] })],

  ['POST', /^\/networks\/create$/, newNetwork],
  ['POST', new RegExp(`^/networks/${name}/(connect|disconnect)$`), connection],
  ['GET DELETE', new RegExp(`^/networks/${name}$`), ({ term }) => ({ networks: [term] })],

  ['POST', /^\/containers\/create$/, newContainer],
  ['GET', new RegExp(`^/containers/${name}/(json|export|changes|top|logs|stats|archive|attach/ws)$`), theContainer],
  ['HEAD PUT', new RegExp(`^/containers/${name}/archive$`), theContainer],
  [
    'POST',
    new RegExp(`^/containers/${name}/(kill|pause|unpause|restart|start|stop|wait|resize|attach)$`),
    theContainer,
  ],
  ['POST', new RegExp(`^/containers/${name}/rename$`), newName],
  ['POST', new RegExp(`^/containers/${name}/update$`), update],
  ['POST', new RegExp(`^/containers/${name}/exec$`), newExec],
  ['DELETE', new RegExp(`^/containers/${name}$`), theContainer],
  ['GET', new RegExp(`^/exec/${name}/json$`), ({ term }) => ({ exec: term })],
  ['POST', new RegExp(`^/exec/${name}/(start|resize)$`), ({ term }) => ({ exec: term })],
  ['POST', /^\/commit$/, commit],
];

/** @throws INVALID, and as the options of networks: what no tenant's user may do, or what cannot be read */
export function deedOf(asked: Asked, driver: Driver): Deed {
  const { path, query } = parseTarget(asked.uri);
  for (const [methods, pattern, deed] of routes) {
    const match = methods.split(' ').includes(asked.method) ? pattern.exec(path) : null;
    if (match) return deed({ ...asked, term: match[1] ?? '', query, driver });
  }
  throw new HeddleError('INVALID', {
    field: `${asked.method} ${path.slice(0, 100)}`,
    problem: 'is for the administrators of this engine',
  });
}

/** From a registry, or of what is sent: an engine that took a path would read the host's file. */
function newImage({ query }: Read): Deed {
  for (const from of query.getAll('fromSrc'))
    if (!/^(-|https?:\/\/.*)?$/i.test(from))
      throw new HeddleError('INVALID', { field: 'fromSrc', problem: 'must be "-", or begin with http:// or https://' });
  return {};
}

function newVolume({ body, driver }: Read): Deed {
  const fields = parseBody(body);
  // A local volume with options is a directory or device of the host, or a share that the host mounts.
  requireKnown(fields, { Name: true, Labels: true, Driver: oneOf('local') }, '');
  return { volumes: [volume(text(fields.Name ?? '', 'Name'), driver)] };
}

/** It is of the tenant with which its name begins, before a dot; of two the longer. */
function volume(name: string, { tenants }: Driver) {
  const [tenant] = tenants.filter((t) => name.startsWith(`${t}.`)).sort((a, b) => b.length - a.length);
  return { name, tenant };
}

const network: Known = {
  // Of an odd one who knows what the engine makes.
  Name: (value) => (/^[A-Za-z0-9][\w.-]*$/.test(String(value)) ? problemOfName(String(value)) : 'is no plain name'),
  ...{ Driver: true, Options: true, IPAM: true, Labels: true, CheckDuplicate: true, Internal: true },
  ...{ Attachable: true, EnableIPv4: true, EnableIPv6: true, Scope: oneOf('local') },
};

function newNetwork({ body, driver }: Read): Deed {
  const fields = parseBody(body);
  requireKnown(fields, network, '');
  if (fields.Driver !== driver.name)
    throw new HeddleError('INVALID', { field: 'Driver', problem: `must be ${driver.name}` });
  const ipam = asFields(fields.IPAM ?? {}, 'IPAM');
  requireKnown(ipam, { Driver: oneOf('default', driver.name), Options: true, Config: true }, 'IPAM.');
  const typed = parseDriverOptions({ [dockerOption.generic]: fields.Options }, driver.tenants);
  const pools = parseIpamOptions(texts(ipam.Options), driver.tenants);
  const tenants =
    ipam.Driver === driver.name ? [pools.tenant, ...(typed.tenantGiven ? [typed.tenant] : [])] : [typed.tenant];
  return { makes: { name: text(fields.Name, 'Name'), tenants } };
}

function connection({ term, body }: Read): Deed {
  const fields = parseBody(body);
  requireKnown(fields, { Container: true, EndpointConfig: true, Force: true }, '');
  return {
    networks: [term, ...networksOf(fields.EndpointConfig)],
    containers: [text(fields.Container, 'Container')],
  };
}

/** What is not the engine's part of a container, but its own. */
const config = anyOf(
  'Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd Healthcheck ArgsEscaped Image Volumes WorkingDir Entrypoint NetworkDisabled MacAddress OnBuild Labels StopSignal StopTimeout Shell HostConfig NetworkingConfig',
);
const containerMode = 'container:';

/** Engines look for a name before they look for the beginning of an id: who has the one would be taken for who has the other. */
function problemOfName(name: string): string | undefined {
  return isIdLike(name.replace(/^\//, ''))
    ? 'is of the digits 0 to 9 and a to f alone, as ids are: a name needs another character'
    : undefined;
}

/** @throws INVALID */
function requireNames(query: URLSearchParams): void {
  for (const given of query.getAll('name')) {
    const problem = problemOfName(given);
    if (problem) throw new HeddleError('INVALID', { field: `name ${given.slice(0, 80)}`, problem });
  }
}

/** A form in the body would be read before the query, and is not shown to us. @throws INVALID */
function requireNoForm({ body, headers }: Read): void {
  if (body === undefined && headers?.['Content-Length'] !== '0')
    throw new HeddleError('INVALID', { field: 'body', problem: 'must be JSON, or empty with "Content-Length: 0"' });
}

function newName(read: Read): Deed {
  requireNoForm(read);
  requireNames(read.query);
  return theContainer(read);
}

function update(read: Read): Deed {
  requireTame(parseBody(read.body), 'asked');
  return theContainer(read);
}

function newContainer({ body, query, driver }: Read): Deed {
  requireNames(query);
  const fields = parseBody(body);
  // Older engines take what is not in HostConfig from beside it.
  requireKnown(fields, config, '');
  const host = asFields(fields.HostConfig, 'HostConfig');
  requireTame(host, 'asked');
  const mode = text(host.NetworkMode ?? '', 'HostConfig.NetworkMode');
  const networking = asFields(fields.NetworkingConfig ?? {}, 'NetworkingConfig');
  requireKnown(networking, { EndpointsConfig: true }, 'NetworkingConfig.');
  const endpoints = Object.entries(asFields(networking.EndpointsConfig ?? {}, 'NetworkingConfig.EndpointsConfig'));
  const more = endpoints.flatMap(([key, value]) => [key, ...networksOf(value)]);
  const volumes = volumesOf(host).map((one) => volume(one, driver));
  if (!mode.startsWith(containerMode)) return { networks: [mode, ...more], volumes };
  const other = mode.slice(containerMode.length);
  // By its name the engine would look for it again at each start, and find whoever is called so then.
  if (!/^[0-9a-f]{64}$/.test(other))
    throw new HeddleError('INVALID', {
      field: 'HostConfig.NetworkMode',
      problem: 'must name the other container by its whole id (docker inspect --format {{.Id}})',
    });
  return { networks: more, containers: [other], volumes };
}

/** The names of those that it asks for by name. */
function volumesOf({ Binds, Mounts }: Fields): string[] {
  const binds: string[] = isEmpty(Binds) ? [] : (Binds as string[]);
  const mounts: Fields[] = isEmpty(Mounts) ? [] : (Mounts as Fields[]);
  const sources = mounts.map(({ Source }) => text(Source ?? '', 'HostConfig.Mounts.Source'));
  return [
    ...binds.filter((bind) => !bind.startsWith('/')).map((bind) => bind.split(':')[0]!),
    ...sources.filter(Boolean),
  ];
}

/** An endpoint's configuration may say which network is meant; the engine then takes that one. */
function networksOf(endpoint: unknown): string[] {
  const fields = asFields(endpoint ?? {}, 'EndpointConfig');
  requireKnown(fields, endpointConfig, 'EndpointConfig.');
  const id = text(fields.NetworkID ?? '', 'EndpointConfig.NetworkID');
  return id === '' ? [] : [id];
}
const endpointConfig = anyOf(
  'IPAMConfig Links Aliases DriverOpts NetworkID EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen MacAddress DNSNames GwPriority',
);

function newExec({ term, body }: Read): Deed {
  requireKnown(parseBody(body), exec, '');
  return { containers: [term] };
}
const exec = anyOf(
  'User Tty ConsoleSize AttachStdin AttachStdout AttachStderr Detach DetachKeys Env WorkingDir Cmd Container',
);

function commit(read: Read): Deed {
  requireNoForm(read);
  return { containers: read.query.getAll('container') };
}

function anyOf(names: string): Known {
  return Object.fromEntries(names.split(' ').map((field) => [field, true]));
}

/** @throws INVALID */
function text(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  throw new HeddleError('INVALID', { field, problem: 'must be a text' });
}

/** @throws INVALID */
function texts(value: unknown): Record<string, string> {
  const fields: Fields = asFields(value ?? {}, 'IPAM.Options');
  for (const [key, one] of Object.entries(fields)) text(one, `IPAM.Options.${key.slice(0, 80)}`);
  return fields as Record<string, string>;
}

/** A Docker engine of which tests say what it knows: the part of its API that Heddle reads. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { EngineContainer, EngineEvent, EngineNetwork, EngineService } from './engine-api.ts';

export class TestEngine implements AsyncDisposable {
  readonly socket: string;
  readonly containers = new Map<string, EngineContainer>();
  readonly networks = new Map<string, EngineNetwork>();
  /** Changes that it was asked for: "POST /networks/create", and the body. */
  readonly changes: { readonly request: string; readonly body: unknown }[] = [];
  apiVersion = '1.41';
  /** "active" on a Swarm's node. */
  swarm = 'inactive';
  services: EngineService[] = [];
  plugins: { Name: string; Enabled: boolean; Config: { Entrypoint: string[] } }[] = [];
  #listeners = new Set<ServerResponse>();
  #server: Server | undefined;

  /** @param socket default: an abstract one */
  constructor(socket = `\0heddle-engine-${randomUUID()}`) {
    this.socket = socket;
  }

  /** Begins to answer, at first or again. */
  async start(): Promise<this> {
    this.#server = createServer((request, response) => {
      const path = (request.url ?? '').replace(/\?.*$/, '').replace(/^\/v[\d.]+/, '');
      if (request.method === 'GET') return this.#get(path, response);
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      request.on('end', () => {
        this.changes.push({ request: `${request.method} ${path}`, body: text && JSON.parse(text) });
        response.writeHead(204).end();
      });
    });
    this.#server.listen({ path: this.socket });
    await once(this.#server, 'listening');
    return this;
  }

  /** Goes away, as an engine that is killed. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server?.listening) return;
    server.close();
    server.closeAllConnections();
    this.#listeners.clear();
    await once(server, 'close');
  }

  /** Tells all who listen. */
  emit(event: EngineEvent): void {
    for (const listener of this.#listeners) listener.write(`${JSON.stringify(event)}\n`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #get(path: string, response: ServerResponse): void {
    const [, collection, id = ''] = path.split('/');
    const answer = (value: unknown) =>
      value === undefined
        ? response.writeHead(404).end(JSON.stringify({ message: `no such object: ${id}` }))
        : response.writeHead(200).end(JSON.stringify(value));
    if (path === '/events') {
      response.writeHead(200).flushHeaders();
      this.#listeners.add(response);
    } else if (path === '/version') answer({ ApiVersion: this.apiVersion });
    else if (path === '/info')
      answer({ ID: 'ABCD', Name: 'h1', Swarm: { LocalNodeState: this.swarm, ControlAvailable: true } });
    else if (path === '/services') answer(this.services);
    else if (path === '/plugins') answer(this.plugins);
    else if (path === '/containers/json') answer([...this.containers.values()]);
    else if (path === '/networks') answer([...this.networks.values()].map((n) => ({ ...n, Containers: {} })));
    else answer((collection === 'containers' ? this.containers : this.networks).get(id));
  }
}

/** A running container; with fields of its own. */
export function testContainer(fields: {
  id: string;
  name: string;
  labels?: Record<string, string>;
  hostname?: string;
  /** Endpoint and aliases by the network's name. */
  networks: Record<string, { network: string; endpoint: string; aliases?: string[]; ip?: string }>;
}): EngineContainer {
  return {
    Id: fields.id,
    Name: `/${fields.name}`,
    State: { Running: true },
    Config: { Hostname: fields.hostname ?? fields.id.slice(0, 12), Image: 'box', Labels: fields.labels ?? null },
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(fields.networks).map(([name, { network, endpoint, aliases = null, ip = '' }]) => [
          name,
          { NetworkID: network, EndpointID: endpoint, Aliases: aliases, IPAddress: ip, IPAMConfig: null },
        ]),
      ),
    },
  };
}

/** A network with a subnet; endpoints by container. */
export function testNetwork(fields: {
  id: string;
  name: string;
  subnet: string;
  endpoints?: Record<string, { endpoint: string; ip: string }>;
  more?: Partial<EngineNetwork>;
}): EngineNetwork {
  return {
    Id: fields.id,
    Name: fields.name,
    Driver: 'heddle',
    Scope: 'local',
    Internal: false,
    Options: {},
    Labels: {},
    IPAM: { Driver: 'heddle', Options: null, Config: [{ Subnet: fields.subnet }] },
    Containers: Object.fromEntries(
      Object.entries(fields.endpoints ?? {}).map(([container, { endpoint, ip }]) => [
        container,
        { EndpointID: endpoint, IPv4Address: ip, IPv6Address: '' },
      ]),
    ),
    ...fields.more,
  };
}

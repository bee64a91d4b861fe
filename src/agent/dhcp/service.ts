/** DHCP and router advertisements of all networks of this host: a server at each gateway. */
import type { Logger } from 'pino';
import type { Netns } from '../../kernel/netns.ts';
import { type Mac, macText } from '../../model/address.ts';
import type { HostItem, HostState, ItemKey, NetworkItem, PortItem } from '../../model/host-state.ts';
import type { NetworkId, PortId } from '../../model/ids.ts';
import { GatewayServers, type ServerPlace } from '../gateway-servers.ts';
import { PortIndex } from '../port-index.ts';
import type { Hears } from './advertisement.ts';
import { Announcer } from './announcer.ts';
import { type AnswerKind, type Asker, announcement, answerFrame, type Silence } from './answer-frame.ts';
import { type DhcpServer, openDhcpServer } from './server.ts';

/** What the service works with. */
export interface DhcpServiceParts {
  /** This port is on this host. */
  readonly isHere: (port: PortItem) => boolean;
  /** Largest packet of a network on this host, bytes. */
  readonly mtuBytes: (network: NetworkItem) => number;
  /** What the port hears of its network's router. */
  readonly hears: (port: PortItem) => Hears;
  readonly log: Logger;
}

/** What comes of a frame that a port sent, or is sent. `failed`: by a fault of ours. */
type Outcome = AnswerKind | Silence | 'unsent' | 'failed';

/** What of a network is in advertisements. */
const advertised = ({ subnets }: NetworkItem, mtuBytes: number): string =>
  JSON.stringify([mtuBytes, subnets.map(({ cidr, gateway, dhcp }) => [cidr, gateway, dhcp])]);

/** Of a frame, at least an Ethernet header long: the filter has read further. */
const senderOf = (frame: Uint8Array): Mac => macText(frame.subarray(6, 12));

/** Follows the host's state and its gateways. Disposing closes all sockets. */
export class DhcpService implements Disposable {
  readonly #parts: DhcpServiceParts;
  readonly #networks = new Map<NetworkId, NetworkItem>();
  /** This host's ports. */
  readonly #ports = new PortIndex<Mac>(({ mac }) => [mac]);
  /** What a network's ports hear of it, to compare. */
  readonly #told = new Map<NetworkId, string>();
  /** This host's segments, and whether machines on them hear of the router. */
  readonly #segments = new Map<PortId, boolean>();
  readonly #servers: GatewayServers;
  readonly #announcers = new Map<NetworkId, Announcer<PortItem>>();
  /** Networks that were here before this agent, whose ports nobody may have told of their router for long. */
  readonly #known: Set<NetworkId>;
  readonly #counts = new Map<Outcome, number>();

  /** `items` is the host's state as it is now; `changed` tells what becomes different in it. */
  constructor(parts: DhcpServiceParts, items: HostState) {
    this.#parts = parts;
    const open = ({ network }: ServerPlace, netns: Netns) => this.#open(network, netns);
    const nameOf = (network: NetworkId) => this.#networks.get(network)?.name;
    this.#servers = new GatewayServers({ what: 'DHCP', nameOf, open, log: parts.log });
    for (const [key, item] of items) this.changed(key, item);
    this.#known = new Set(this.#networks.keys());
  }

  [Symbol.dispose](): void {
    this.#servers[Symbol.dispose]();
  }

  /** An item of the host's state came, changed, or went (undefined). */
  changed(key: ItemKey, item: HostItem | undefined): void {
    const [kind, id] = key.split('/') as [HostItem['kind'], string];
    if (kind === 'network') this.#networkChanged(id as NetworkId, item?.kind === 'network' ? item : undefined);
    if (kind === 'port') this.#portChanged(id as PortId, item?.kind === 'port' ? item : undefined);
  }

  #portChanged(id: PortId, port: PortItem | undefined): void {
    const here = port && this.#parts.isHere(port) ? port : undefined;
    this.#ports.set(id, here);
    const before = this.#segments.get(id);
    const routed = here?.segment && (here.segment.router ?? false);
    if (routed === undefined) this.#segments.delete(id);
    else this.#segments.set(id, routed);
    // Machines on it that have heard of the router are told that it is none any more.
    if (before !== undefined && routed !== undefined && before !== routed) this.#announcers.get(here!.network)?.soon();
  }

  #networkChanged(id: NetworkId, network: NetworkItem | undefined): void {
    const before = this.#told.get(id);
    this.#networks.delete(id);
    this.#told.delete(id);
    if (!network) return;
    // The underlay's MTU may be what changed: then the item is the same.
    const told = advertised(network, this.#parts.mtuBytes(network));
    this.#networks.set(id, network);
    this.#told.set(id, told);
    if (before !== undefined && told !== before) this.#announcers.get(id)?.soon();
  }

  /** A gateway came, changed, or is about to go (undefined): its sockets are closed when this returns. */
  gateway(network: NetworkId, place: ServerPlace | undefined): void {
    this.#servers.gateway(network, place);
  }

  /** It may come before its network's item: until then it says nothing. */
  #open(network: NetworkId, netns: Netns): Disposable {
    using open = new DisposableStack();
    const answer = (frame: Uint8Array) => this.#answer(network, frame);
    const server = open.use(openDhcpServer({ netns, answer, log: this.#parts.log }));
    const announcer = open.use(
      new Announcer(
        () => this.#ports.of(network),
        (port) => this.#announce(network, server, port),
      ),
    );
    if (this.#known.delete(network)) announcer.soon();
    this.#announcers.set(network, announcer);
    open.defer(() => this.#announcers.delete(network));
    return open.move();
  }

  /** The datapath has proved the sender's MAC, which only one port of the network has. */
  #answer(network: NetworkId, frame: Uint8Array): Uint8Array | undefined {
    return this.#guarded(network, () => {
      const asker = this.#asker(network, this.#ports.find(network, senderOf(frame)));
      const answer = asker ? answerFrame(frame, asker) : 'other_mac';
      if (typeof answer === 'string') return void this.#count(answer);
      this.#count(answer.kind);
      return answer.frame;
    });
  }

  #announce(network: NetworkId, server: DhcpServer, port: PortItem): void {
    this.#guarded(network, () => {
      const asker = this.#asker(network, port);
      const frame = asker && announcement(asker);
      if (frame) this.#count(server.send(frame) ? 'advertisement' : 'unsent');
    });
  }

  /** Whatever a client sends, the agent has other work. */
  #guarded<T>(network: NetworkId, work: () => T): T | undefined {
    try {
      return work();
    } catch (err) {
      this.#count('failed');
      this.#parts.log.error({ err, network }, 'DHCP: a request could not be answered');
      return undefined;
    }
  }

  #asker(id: NetworkId, port: PortItem | undefined): Asker | undefined {
    const { mtuBytes, hears } = this.#parts;
    const network = this.#networks.get(id);
    return network && port && { network, port, mtuBytes: mtuBytes(network), hears: hears(port) };
  }

  #count(outcome: Outcome): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
  }

  /** How it goes on this host, for status: messages by what was answered, or why nothing was. */
  get status() {
    return { ...this.#servers.status, messages: Object.fromEntries([...this.#counts].sort()) };
  }
}

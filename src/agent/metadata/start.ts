import type { Logger } from 'pino';
import { networkMtu } from '../../compile/facts.ts';
import type { Gateways } from '../../gateway/gateways.ts';
import type { Ip } from '../../model/address.ts';
import type { HostItem, ItemKey, PortItem } from '../../model/host-state.ts';
import type { NetworkId, PortId } from '../../model/ids.ts';
import { metadataAddressesOf } from '../../model/metadata.ts';
import type { Attachments } from '../attachments.ts';
import { GatewayServers } from '../gateway-servers.ts';
import { isServedAt } from '../guest-place.ts';
import { PortIndex } from '../port-index.ts';
import type { Reconciler } from '../reconciler.ts';
import type { ThisHost } from '../this-host.ts';
import { Desk, hostConnections, type MetadataCounters } from './desk.ts';
import type { Instance } from './instance.ts';
import { openMetadataServer } from './server.ts';
import { Tokens } from './tokens.ts';

/** What the metadata service follows. */
export interface MetadataParts {
  readonly reconciler: Pick<Reconciler, 'facts' | 'items' | 'state' | 'watchItems'>;
  readonly attachments: Pick<Attachments, 'get'>;
  readonly gateways: Pick<Gateways, 'watch'>;
  readonly thisHost: ThisHost;
  readonly log: Logger;
}

/** The agent's metadata service, running; disposing closes its sockets. */
export interface Metadata extends Disposable {
  readonly status: GatewayServers['status'] & MetadataCounters;
}

/** Starts the metadata service at this host's gateways, over the reconciler's state. */
export function startMetadata(parts: MetadataParts): Metadata {
  const { reconciler, gateways, log } = parts;
  using open = new DisposableStack();
  const now = () => performance.now();
  const counters: MetadataCounters = { requests: 0, refused: 0, unknown: 0 };
  const tokens = new Tokens(now);
  const connections = hostConnections();
  const ports = new PortIndex<Ip>(({ addresses }) => addresses);
  const heed = (key: ItemKey, item: HostItem | undefined): void => {
    const [kind, id] = key.split('/') as [HostItem['kind'], PortId];
    if (kind === 'port') ports.set(id, item?.kind === 'port' ? item : undefined);
  };
  for (const [key, item] of reconciler.items) heed(key, item);
  open.use(reconciler.watchItems(heed));
  const servers = open.use(
    new GatewayServers({
      what: 'metadata',
      nameOf: (network) => reconciler.state.networks.get(network)?.name,
      log,
      open: ({ network, addresses }, netns) => {
        const find = (client: string) => instanceOf(parts, network, ports.find(network, client as Ip));
        const desk = new Desk({ find, network, connections, tokens, counters, log, now });
        return openMetadataServer({ netns, addresses: metadataAddressesOf(addresses), desk, log });
      },
    }),
  );
  open.use(gateways.watch((network, gateway) => servers.gateway(network, gateway)));
  const all = open.move();
  return {
    get status() {
      return { ...servers.status, ...counters };
    },
    [Symbol.dispose]: () => all.dispose(),
  };
}

/**
 * The port that a request is about: the datapath has proved that its source address is the sender's own, and in a gateway's
 * namespace there are senders of one network and one host only. `port`: the one that has the address.
 */
function instanceOf(
  { reconciler, attachments, thisHost }: MetadataParts,
  network: NetworkId,
  port: PortItem | undefined,
): Instance | undefined {
  const facts = reconciler.facts();
  const item = reconciler.state.networks.get(network);
  if (!facts || !item || !port || !isServedAt(port, facts.self)) return undefined;
  const state = attachments.get(port.behind ?? port.id)?.state;
  if (state === undefined || state === 'detaching') return undefined;
  return { port, network: item, host: thisHost.name, mtuBytes: networkMtu(item, facts) };
}

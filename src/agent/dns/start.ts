import type { Logger } from 'pino';
import type { Gateways } from '../../gateway/gateways.ts';
import type { DnsLookup, DnsLookupQuery } from '../../model/dns-lookup.ts';
import { HeddleError } from '../../model/errors.ts';
import type { HostItem } from '../../model/host-state.ts';
import type { Attachments } from '../attachments.ts';
import type { Reconciler } from '../reconciler.ts';
import { Forwarder } from './forward.ts';
import { lookUp } from './lookup.ts';
import { ResolvConf } from './resolv-conf.ts';
import { DnsService } from './service.ts';

/** What the DNS follows. */
export interface DnsParts {
  /** File that names the host's resolvers. */
  readonly resolvConf: string;
  readonly reconciler: Reconciler;
  readonly attachments: Attachments;
  readonly gateways: Pick<Gateways, 'watch'>;
  readonly log: Logger;
}

/** The agent's DNS, running; disposing closes its sockets. */
export interface Dns extends Disposable {
  readonly status: DnsService['status'];
  /** @throws NOT_FOUND if this host does not know the network, INVALID if the name is none */
  lookUp(query: DnsLookupQuery): Promise<DnsLookup>;
}

/** Starts the DNS of this host's networks, over the reconciler's state and at its gateways. */
export function startDns({ resolvConf, reconciler, attachments, gateways, log }: DnsParts): Dns {
  using open = new DisposableStack();
  const forwarder = new Forwarder({ resolvers: new ResolvConf(resolvConf) });
  const service = open.use(new DnsService({ forwarder, log }, reconciler.items));
  // A workload that is being detached has no name any more, whenever the controller learns of it.
  const isLeaving = (item: HostItem | undefined) =>
    item?.kind === 'port' && attachments.get(item.id)?.state === 'detaching';
  open.use(reconciler.watchItems((key, item) => service.changed(key, isLeaving(item) ? undefined : item)));
  open.use(gateways.watch((network, gateway) => service.gateway(network, gateway)));
  const all = open.move();
  return {
    get status() {
      return service.status;
    },
    async lookUp(query) {
      const names = service.names(query.tenant, query.network);
      if (!names) throw new HeddleError('NOT_FOUND', { kind: 'network on this host named', name: query.network });
      return lookUp(names, forwarder, query);
    },
    [Symbol.dispose]: () => all.dispose(),
  };
}

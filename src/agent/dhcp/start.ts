import type { Logger } from 'pino';
import { networkMtu } from '../../compile/facts.ts';
import type { Gateways } from '../../gateway/gateways.ts';
import { type PortItem, portKey } from '../../model/host-state.ts';
import type { Attachment } from '../../model/local-api.ts';
import type { Attachments } from '../attachments.ts';
import { isServedAt } from '../guest-place.ts';
import type { Reconciler } from '../reconciler.ts';
import type { Hears } from './advertisement.ts';
import { DhcpService } from './service.ts';

/** What DHCP follows. */
export interface DhcpParts {
  readonly reconciler: Reconciler;
  readonly attachments: Attachments;
  readonly gateways: Pick<Gateways, 'watch'>;
  readonly underlay: { readonly facts: Parameters<typeof networkMtu>[1] };
  readonly log: Logger;
}

/** DHCP and router advertisements, running; disposing closes the sockets. */
export type Dhcp = Disposable & Pick<DhcpService, 'status'>;

/** An engine sets up what it moves, and a host has its own routes: their kernels would take another default route. */
const setUpByOthers: ReadonlySet<Attachment['kind']> = new Set(['pair', 'host']);

/** Starts them for this host's networks, over the reconciler's state and at its gateways. */
export function startDhcp({ reconciler, attachments, gateways, underlay, log }: DhcpParts): Dhcp {
  using open = new DisposableStack();
  const hears = ({ id, behind = id }: PortItem): Hears => {
    const kind = attachments.get(behind)?.kind ?? 'netns';
    if (setUpByOthers.has(kind)) return 'nothing';
    if (kind !== 'device') return 'router';
    const segment = reconciler.items.get(portKey(behind));
    return segment?.kind === 'port' && segment.segment?.router ? 'router' : 'link';
  };
  const service = open.use(
    new DhcpService(
      {
        isHere: (port) => isServedAt(port, reconciler.host?.number),
        mtuBytes: (network) => networkMtu(network, underlay.facts),
        hears,
        log,
      },
      reconciler.items,
    ),
  );
  open.use(reconciler.watchItems((key, item) => service.changed(key, item)));
  open.use(gateways.watch((network, gateway) => service.gateway(network, gateway)));
  const all = open.move();
  return {
    get status() {
      return service.status;
    },
    [Symbol.dispose]: () => all.dispose(),
  };
}

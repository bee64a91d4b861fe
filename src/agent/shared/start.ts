/** Addresses that several ports share, as this host sees them: which of its ports announces one, and who must hear that. */
import type { Logger } from 'pino';
import type { Client } from '../../client/client.ts';
import { holderOf } from '../../compile/plan-rows.ts';
import { close } from '../../kernel/libc.ts';
import { openSendingSocket, sendBy } from '../../kernel/packet-socket.ts';
import type { Ip, Mac } from '../../model/address.ts';
import type { HeddleError } from '../../model/errors.ts';
import { type AddressItem, type HostItem, type ItemKey, type PortItem, portKey } from '../../model/host-state.ts';
import type { AddressId, PortId } from '../../model/ids.ts';
import { isWiredAt } from '../guest-place.ts';
import type { Reconciler } from '../reconciler.ts';
import { tagged } from '../segment/segment-socket.ts';
import type { Segments } from '../segment/start.ts';
import { announcement } from './announcement.ts';
import { Claims } from './claims.ts';
import { Ears, type Listening } from './ears.ts';
import { everybody, type Listener, listenersOf, Telling } from './telling.ts';

/** What sharing follows. */
export interface SharingParts {
  readonly reconciler: Pick<Reconciler, 'state' | 'items' | 'host' | 'facts' | 'watchItems'>;
  readonly client: Pick<Client, 'update'>;
  readonly segments: Pick<Segments, 'say' | 'sayFirst'>;
  readonly log: Logger;
}

/** It runs; disposing ends it. */
export class Sharing implements Disposable {
  readonly #parts: SharingParts;
  readonly #claims: Claims;
  readonly #ears: Ears;
  readonly #telling: Telling;
  /** The MAC that each address had when the ports here were told. */
  readonly #told = new Map<AddressId, Mac>();
  readonly #open = new DisposableStack();

  constructor(parts: SharingParts) {
    this.#parts = parts;
    const { client, segments, log } = parts;
    const fd = this.#open.adopt(openSendingSocket(), close);
    this.#claims = this.#open.use(
      new Claims({ client, log, tenantOf: (address, port) => this.#tenantOf(address, port) }),
    );
    this.#ears = this.#open.use(new Ears((port, address) => this.#heard(port, address), log));
    this.#telling = this.#open.use(
      new Telling({
        listeners: (address) => listenersOf(address, parts.reconciler),
        send: ({ ifindex, vlan, segment }: Listener, frame) => {
          if (segment) segments.say(segment, frame);
          else sendBy(fd, ifindex, vlan === 0 ? frame : tagged(frame, vlan));
        },
        log,
      }),
    );
    segments.sayFirst = (port) => this.#announcements(port);
    this.#open.use(parts.reconciler.watchItems((key, item) => this.#changed(key, item)));
  }

  /** Who announced what is told at once, if it waits: the controller listens to this host again. */
  tell(): void {
    this.#claims.tell();
  }
  /** Why the controller gives some addresses to nobody here for now. */
  get refusal(): HeddleError | undefined {
    return this.#claims.refusal;
  }
  [Symbol.dispose](): void {
    this.#open.dispose();
  }

  #changed(key: ItemKey, item: HostItem | undefined): void {
    const [kind, id] = key.split('/') as [HostItem['kind'], string];
    if (kind === 'port') return this.#ears.set(id as PortId, this.#listening(id as PortId));
    if (kind !== 'address') return;
    // Those that it is taken from cease to be listened to, those that it is given to begin.
    for (const port of this.#parts.reconciler.facts()?.devices.keys() ?? [])
      this.#ears.set(port, this.#listening(port));
    if (item?.kind === 'address') return this.#heed(item);
    this.#claims.forget(id as AddressId);
    this.#told.delete(id as AddressId);
  }

  /** What a port of this host may announce, if it has an interface of its own that is here. */
  #listening(id: PortId): Listening | undefined {
    const { reconciler } = this.#parts;
    const port = this.#port(id);
    if (!port || port.behind || port.segment) return undefined;
    const addresses = [...reconciler.state.shared(port.network)].flatMap((a) =>
      a.ports.includes(port.name) ? a.address : [],
    );
    if (addresses.length === 0) return undefined;
    const { devices, self } = reconciler.facts() ?? {};
    const ifindex = port.host === self ? devices?.get(id)?.ifindex : undefined;
    return ifindex === undefined ? undefined : { ifindex, mac: port.mac, addresses: addresses.sort() };
  }

  #port = (id: PortId): PortItem | undefined => this.#parts.reconciler.items.get(portKey(id)) as PortItem | undefined;

  #heard(id: PortId, address: Ip): void {
    const port = this.#port(id);
    if (!port) return;
    for (const shared of this.#parts.reconciler.state.shared(port.network))
      if (shared.address === address) this.#claims.heard(shared.id, id);
  }

  #tenantOf(address: AddressId, id: PortId): string | undefined {
    const { state, host } = this.#parts.reconciler;
    const port = this.#port(id);
    if (!port || !isWiredAt(port, host?.number)) return undefined;
    const shared = [...state.shared(port.network)].find((a) => a.id === address);
    return shared?.ports.includes(port.name) ? state.networks.get(shared.network)?.tenant : undefined;
  }

  /** Its holder is another one, or has another MAC. */
  #heed(item: AddressItem): void {
    const holder = holderOf(item, this.#parts.reconciler.items);
    if (!holder || this.#told.get(item.id) === holder.mac) return;
    this.#told.set(item.id, holder.mac);
    this.#telling.tell(item, holder.mac);
  }

  /** Who has which address of a segment's network, for its machines: while it did not forward, nobody told them. */
  *#announcements({ network }: PortItem): Generator<Uint8Array> {
    const { state, items } = this.#parts.reconciler;
    for (const item of state.shared(network)) {
      const holder = holderOf(item, items);
      if (holder) yield announcement({ mac: holder.mac, ip: item.address }, everybody);
    }
  }
}

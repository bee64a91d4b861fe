/** Tells what hangs on this host that a shared address has another MAC, as its holder has said to nobody: that goes no further. */
import type { Logger } from 'pino';
import { gatewayMac, type Ip, ipFamily, linkLocal, type Mac } from '../../model/address.ts';
import { type AddressItem, type HostState, type PortItem, portKey } from '../../model/host-state.ts';
import type { AddressId, NetworkId, PortId } from '../../model/ids.ts';
import type { Reconciler } from '../reconciler.ts';
import { announcement } from './announcement.ts';

/** Whom an announcement goes to: a station on a device, or all of a segment. */
export interface Listener {
  readonly ifindex: number;
  /** 0: none. */
  readonly vlan: number;
  /** The segment that this is: it says so itself, if it forwards. */
  readonly segment?: PortId;
  readonly mac: Mac;
  readonly ip6: Ip;
}

/** Listeners that are told in one turn, and what lies between two: 3,200 a second. */
const [AT_ONCE, PAUSE_MS] = [64, 20];
export const everybody = { mac: 'ff:ff:ff:ff:ff:ff' as Mac, ip6: 'ff02::1' as Ip };

/**
 * All of the address's network here, but for its holder: each port by its own MAC, since a server's own port takes nothing else;
 * of a segment all at once; the gateway.
 */
export function listenersOf(
  { network, holder }: AddressItem,
  reconciler: Pick<Reconciler, 'state' | 'items' | 'facts'>,
): Listener[] {
  const { state, items } = reconciler;
  const { devices, gateways, self } = reconciler.facts() ?? {};
  if (!devices) return [];
  const gateway = gateways?.get(network);
  const out: Listener[] = gateway ? [{ ifindex: gateway.ifindex, vlan: 0, ...everybody, mac: gatewayMac }] : [];
  for (const [id, device] of devices) {
    const front = portOf(items, id);
    const behind = front?.segment ? [] : [...state.behind(id)].map((port) => portOf(items, port));
    for (const port of [front, ...behind])
      if (port?.network === network && port.host === self && port.id !== holder)
        out.push({ ifindex: device.ifindex, vlan: port.vlan ?? device.vlan ?? 0, ...addressed(port) });
  }
  return out;
}

const portOf = (items: HostState, id: PortId): PortItem | undefined => items.get(portKey(id)) as PortItem | undefined;

function addressed({ id, segment, mac, addresses }: PortItem): Pick<Listener, 'mac' | 'ip6' | 'segment'> {
  if (segment) return { ...everybody, segment: id };
  return { mac, ip6: addresses.find((ip) => ipFamily(ip) === 6) ?? linkLocal(mac) };
}

/** How what was told goes out. */
export interface TellingParts {
  readonly listeners: (address: AddressItem) => Listener[];
  readonly send: (to: Listener, frame: Uint8Array) => void;
  readonly log: Logger;
}

interface Word {
  readonly address: AddressItem;
  readonly mac: Mac;
  /** From when its turn has come. */
  left?: Listener[];
}

/**
 * Says it to each, so many a second of all networks together, and of each as many: one that says much keeps itself waiting.
 * What is newer on an address takes the place of what was not said yet. One that cannot be told, or is told late, asks again when
 * what it remembers has grown old. Disposing leaves the rest unsaid.
 */
export class Telling implements Disposable {
  readonly #parts: TellingParts;
  readonly #words = new Map<NetworkId, Map<AddressId, Word>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: TellingParts) {
    this.#parts = parts;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#words.clear();
  }

  /** It begins a turn later: who calls this in a pass has its rows by then. */
  tell(address: AddressItem, mac: Mac): void {
    const words = this.#words.getOrInsertComputed(address.network, () => new Map<AddressId, Word>());
    words.set(address.id, { address, mac });
    this.#timer ??= setInterval(() => this.#turn(), PAUSE_MS).unref();
  }

  #turn(): void {
    const share = Math.ceil(AT_ONCE / this.#words.size);
    for (const [network, words] of this.#words) {
      let room = share;
      for (const word of words.values()) {
        room -= this.#say(word, room);
        if (word.left!.length > 0) break;
        words.delete(word.address.id);
        // One that nobody here hears has its cost as well.
        if (--room <= 0) break;
      }
      if (words.size === 0) this.#words.delete(network);
    }
    if (this.#words.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Returns how many were told. */
  #say(word: Word, room: number): number {
    const { listeners, send, log } = this.#parts;
    const { address, mac } = word;
    word.left ??= listeners(address);
    const now = word.left.splice(0, room);
    for (const to of now)
      try {
        send(to, announcement({ mac, ip: address.address }, to));
      } catch (err) {
        log.debug({ err, to, address: address.name }, 'a change of a shared address was not told to a port');
      }
    return now.length;
  }
}

import type { Logger } from 'pino';
import type { Gateways } from '../gateway/gateways.ts';
import { networkOfAlias } from '../gateway/names.ts';
import { tableName } from '../gateway/ruleset.ts';
import { watchNftables } from '../kernel/nftables-watch.ts';
import { type KernelEvent, watchKernel } from '../kernel/watch.ts';
import { portOfAlias } from './device-alias.ts';
import type { HostTeller } from './host-word.ts';
import type { Reconciler } from './reconciler.ts';
import type { Segments } from './segment/start.ts';
import type { ControllerStream } from './stream.ts';
import type { Underlay } from './underlay.ts';
import type { WorkloadDevices } from './workload-devices.ts';

/** How often the whole kernel state is compared with what it should be, beside the kernel's own notifications. */
const verifyMs = 30_000;
/** How often next hops are confirmed, and what failed is tried again. */
const tendMs = 3_000;

/** What upkeep looks after. */
export interface UpkeepParts {
  readonly reconciler: Reconciler;
  readonly underlay: Underlay;
  readonly devices: WorkloadDevices;
  readonly gateways: Gateways;
  readonly stream: ControllerStream;
  readonly segments: Pick<Segments, 'beat'>;
  readonly teller: HostTeller;
  readonly log: Logger;
}

/** Keeps the kernel as it should be: listens to it, and looks by itself now and then. */
export class Upkeep implements Disposable {
  readonly #parts: UpkeepParts;
  readonly #open = new DisposableStack();
  #underlayChanged = false;
  #verifySoon = false;
  readonly #down = new Set<number>();

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#open.use(
      watchKernel({ links: true, addresses: true, routes: true, neighbours: true, tc: true }, (event) =>
        this.#heard(event),
      ),
    );
    // Our own table, and where we pass another's FORWARD chain. Our own changes come here too, and are found to be right.
    this.#open.use(
      watchNftables((tables) => {
        if (!tables || tables.has(tableName) || tables.has('filter')) parts.gateways.outside.suspect();
      }),
    );
    this.#every(tendMs, () => {
      parts.underlay.keepFresh();
      parts.reconciler.schedule();
    });
    this.#every(verifyMs, () => this.#verify());
    // What came before anybody listened: next hops that were asked for since the agent began.
    this.#underlayChanged = true;
    setImmediate(() => this.#attend());
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }

  #heard(event: KernelEvent): void {
    if (event.kind === 'link' && this.#parts.devices.isNic(event.link.ifindex)) this.#noteNic(event);
    if (event.kind === 'overrun') this.#verifySoon = true;
    else if (event.kind === 'tc' || (event.kind === 'link' && this.#ours(event.link.ifindex))) {
      this.#verifySoon ||= event.action === 'delete';
      if (event.kind === 'tc') this.#underlayChanged ||= this.#parts.underlay.concerns(event);
      if (event.kind === 'link') this.#noteLink(event);
    } else if (event.kind === 'address' && this.#ours(event.address.ifindex)) return;
    else if (event.kind === 'route' && this.#ours(event.route.oif ?? 0)) return;
    else if (isOfRemovedPort(event)) return;
    else if (this.#parts.underlay.concerns(event)) this.#underlayChanged = true;
    if (this.#underlayChanged || this.#verifySoon || this.#down.size > 0) setImmediate(() => this.#attend());
  }

  #noteLink({ link, action }: Extract<KernelEvent, { kind: 'link' }>): void {
    this.#noteDown(link.ifindex, action === 'put' && !link.up);
    const changed = this.#parts.devices.heed(link);
    if (changed) this.#parts.reconciler.touchPort(changed);
  }

  /** It may be the underlay's, too. */
  #noteNic({ link, action }: Extract<KernelEvent, { kind: 'link' }>): void {
    this.#verifySoon ||= action === 'delete';
    for (const port of this.#parts.devices.heedNic(link)) this.#parts.reconciler.touchPort(port);
  }

  /** Only the last word on a device counts: a new one is down at first, and that is heard after it was brought up. */
  #noteDown(ifindex: number, down: boolean): void {
    if (down) this.#down.add(ifindex);
    else this.#down.delete(ifindex);
  }

  /** On a workload's or gateway's device; while it stays, the agent itself is the cause. A segment's NIC has others, too. */
  #ours(ifindex: number): boolean {
    const { devices, gateways } = this.#parts;
    if (devices.isNic(ifindex)) return false;
    return [...devices.all.values(), ...gateways.devices.values()].some((d) => d.ifindex === ifindex);
  }

  #attend(): void {
    const { underlayChanged, verifySoon } = { underlayChanged: this.#underlayChanged, verifySoon: this.#verifySoon };
    this.#underlayChanged = false;
    this.#verifySoon = false;
    for (const ifindex of this.#down) this.#guarded(() => this.#parts.devices.lift(ifindex));
    this.#down.clear();
    // Routes may lead outside by other devices now.
    if (underlayChanged) this.#parts.gateways.outside.touch();
    if (verifySoon) this.#verify();
    else if (underlayChanged)
      this.#guarded(() => this.#parts.underlay.refresh() && this.#parts.reconciler.touchPeers());
    this.#parts.stream.refresh();
    this.#parts.teller.heed();
  }

  #verify(): void {
    this.#guarded(() => {
      const { underlay, reconciler, segments } = this.#parts;
      underlay.refresh();
      // With many rows it takes long, and hosts that serve a segment wait for each other's word.
      segments.beat();
      const drift = reconciler.verify();
      segments.beat();
      if (drift > 0) this.#parts.log.warn({ drift }, 'the kernel was not as it should be; mended');
    });
  }

  #every(ms: number, work: () => void): void {
    const timer = setInterval(() => this.#guarded(work), ms);
    this.#open.defer(() => clearInterval(timer));
  }

  /** A failure here must not end the agent: the next round tries again. */
  #guarded(work: () => unknown): void {
    try {
      work();
    } catch (err) {
      this.#parts.log.error({ err }, 'upkeep failed; it is tried again');
    }
  }
}

/** The echo of the agent's own work: a device that it has just removed, and the multicast route that went with it. */
const isOfRemovedPort = (event: KernelEvent): boolean =>
  (event.kind === 'link' &&
    (portOfAlias(event.link.alias) ?? networkOfAlias('tenant', event.link.alias)) !== undefined) ||
  (event.kind === 'route' && event.route.dst.startsWith('ff00:'));

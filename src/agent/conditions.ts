import type { Problem } from '../model/errors.ts';
import type { Report } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';

export type PortReport = Report['ports'][number];

/** A port that is not as it should be. */
export const errorReport = (id: PortId, { code, detail: message }: Pick<Problem, 'code' | 'detail'>): PortReport => ({
  id,
  condition: 'error',
  code,
  message,
});

/** A port that is bound here, and waits. */
export const notAttached = (id: PortId): PortReport => ({
  id,
  condition: 'pending',
  code: 'NOT_ATTACHED',
  message: 'bound to this host, but nothing is attached to it',
});

/** A port that has its device. */
export interface Settled {
  /** Name of the host-side device. */
  readonly device: string;
  /** MTU of the workload's end, bytes. */
  readonly mtuBytes: number;
}

/** The conditions of this host's ports, and who waits for one to be up. */
export class Conditions {
  readonly #known = new Map<PortId, PortReport>();
  readonly #waiting = new Map<PortId, Set<Pick<PromiseWithResolvers<Settled>, 'resolve' | 'reject'>>>();

  get all(): PortReport[] {
    return [...this.#known.values()];
  }
  get = (port: PortId): PortReport | undefined => this.#known.get(port);
  forget(port: PortId): void {
    this.#known.delete(port);
  }

  /** The port's device when it is there. @throws what keeps it from being so, or the signal's reason */
  settled(port: PortId, signal: AbortSignal): Promise<Settled> {
    const { promise, resolve, reject } = Promise.withResolvers<Settled>();
    const waiting = this.#waiting.get(port) ?? new Set();
    const waiter = { resolve, reject };
    this.#waiting.set(port, waiting.add(waiter));
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort);
    return promise.finally(() => {
      signal.removeEventListener('abort', abort);
      waiting.delete(waiter);
      if (waiting.size === 0) this.#waiting.delete(port);
    });
  }

  /** Ends what waits for the port. */
  abandon(port: PortId, cause: Error): void {
    for (const { reject } of this.#waiting.get(port) ?? []) reject(cause);
  }

  /**
   * Takes what a pass found; returns what changed. `deviceOf`: the device of a port that is up; `has`: whether the state
   * has a port still, those that are gone are forgotten.
   */
  take(
    reports: Iterable<PortReport>,
    deviceOf: (port: PortId) => { name: string; mtuBytes: number | undefined } | undefined,
    has: (port: PortId) => boolean,
  ): PortReport[] {
    for (const id of this.#known.keys()) if (!has(id)) this.#known.delete(id);
    const changed: PortReport[] = [];
    for (const report of reports) {
      const id = report.id as PortId;
      // It is there, whatever keeps it from its work.
      const device = report.device === undefined ? undefined : deviceOf(id);
      if (device)
        for (const { resolve } of this.#waiting.get(id) ?? [])
          resolve({ device: device.name, mtuBytes: device.mtuBytes ?? 0 });
      if (JSON.stringify(this.#known.get(id)) === JSON.stringify(report)) continue;
      this.#known.set(id, report);
      changed.push(report);
    }
    return changed;
  }
}

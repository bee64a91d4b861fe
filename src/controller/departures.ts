import { hasCode } from '../model/errors.ts';
import type { PortInput } from '../model/kinds.ts';
import type { World } from './world.ts';
import type { Writer } from './writer.ts';

/** So long after a move the host that a port has come from passes on what still comes there, milliseconds: an hour. */
const passOnMs = 3_600_000;
/** Time between two looks, milliseconds. */
const lookMs = 30_000;

interface DepartureOptions {
  readonly world: World;
  readonly writer: Pick<Writer, 'update'>;
  readonly log: Record<'debug' | 'warn', (fields: object, text: string) => void>;
}

/** Ends what the hosts that ports have come from do for these, an hour after the move, or when the host is gone. */
export class Departures implements Disposable {
  readonly #options: DepartureOptions;
  readonly #timer: NodeJS.Timeout;
  #looks = false;

  constructor(options: DepartureOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(new Date()), lookMs);
    this.#timer.unref();
  }
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** One look at a time. */
  async look(now: Date): Promise<void> {
    if (this.#looks) return;
    this.#looks = true;
    try {
      for (const id of [...this.#options.world.portsMoved]) await this.#lookAt(id, now);
    } finally {
      this.#looks = false;
    }
  }

  /** Another controller may do the same, or somebody move the port again: one of the two writes is then refused. */
  async #lookAt(id: string, now: Date): Promise<void> {
    const { world, writer, log } = this.#options;
    const port = world.port.get(id);
    if (!port) return;
    const { tenant, name, origin = '', movedAt = '' } = port.record;
    if (world.host.has(origin) && now.getTime() - Date.parse(movedAt) < passOnMs) return;
    try {
      await writer.update('port', tenant, id, port.revision, ({ origin: _, ...rest }: PortInput) => rest);
    } catch (err) {
      const level = hasCode(err, 'REVISION_CONFLICT') ? 'debug' : 'warn';
      log[level]({ port: name, err }, 'what a port has left still passes on; looked at again');
    }
  }
}

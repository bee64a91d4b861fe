import type { Presence } from './presence.ts';
import type { World } from './world.ts';
import type { Writer } from './writer.ts';

/** Longest and shortest time between two looks. */
const LOOK_MS = { most: 60_000, least: 50 } as const;

interface SilenceOptions {
  readonly world: World;
  readonly presence: Pick<Presence, 'get'>;
  readonly writer: Pick<Writer, 'remove'>;
  /** A host that was not connected for so long never comes back. */
  readonly silenceMs: number;
  readonly log: { warn(fields: object, text: string): void };
}

/**
 * Deletes hosts that are silent for too long, as `heddle host delete --gone` does. Who is connected is known in memory
 * only, so the silence counts from the start of this controller at the earliest.
 */
export class Silence implements Disposable {
  readonly #options: SilenceOptions;
  /** When each host was last seen, or first missed, milliseconds. */
  readonly #seen = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SilenceOptions) {
    this.#options = options;
  }

  /** Looks from now on. */
  start(): this {
    const every = Math.max(LOOK_MS.least, Math.min(LOOK_MS.most, this.#options.silenceMs / 10));
    this.#timer = setInterval(() => void this.look(performance.now()), every);
    this.#timer.unref();
    return this;
  }
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** @param nowMs of a clock that only goes forward */
  async look(nowMs: number): Promise<void> {
    const { world, presence, writer, silenceMs, log } = this.#options;
    for (const id of this.#seen.keys()) if (!world.host.has(id)) this.#seen.delete(id);
    for (const [id, { record }] of [...world.host]) {
      if (presence.get(id) || !this.#seen.has(id)) this.#seen.set(id, nowMs);
      if (nowMs - this.#seen.get(id)! < silenceMs) continue;
      try {
        await writer.remove('host', '-', id, undefined, { gone: true });
        log.warn({ host: record.name, silenceMs }, 'host silent for too long: deleted as gone');
      } catch (err) {
        log.warn({ host: record.name, err }, 'silent host not deleted');
      }
    }
  }
}

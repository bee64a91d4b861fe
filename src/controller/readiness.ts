import type { Check } from '../listen/observed-routes.ts';
import type { Store } from '../store/contract.ts';
import type { World } from './world.ts';

/** Whether a controller can do its work: the store answers, and the world follows it. */
export class Readiness {
  readonly #store: Pick<Store, 'extent'>;
  readonly #world: Pick<World, 'revision'>;
  /** Why the world does not follow the store any more. */
  #failed: unknown;

  constructor({ store, world }: { store: Pick<Store, 'extent'>; world: Pick<World, 'revision'> }) {
    this.#store = store;
    this.#world = world;
  }

  /** The world follows the store no more. */
  readonly fail = (cause: unknown): void => {
    this.#failed = cause;
  };

  readonly checks = async (): Promise<Check[]> => [await this.#storeCheck(), this.#worldCheck()];

  async #storeCheck(): Promise<Check> {
    try {
      const { revision } = await this.#store.extent();
      return { name: 'store', ok: true, detail: `at revision ${revision}` };
    } catch (e) {
      return { name: 'store', ok: false, detail: (e as Error).message };
    }
  }

  #worldCheck(): Check {
    return this.#failed
      ? { name: 'world', ok: false, detail: `follows the store no more: ${(this.#failed as Error).message}` }
      : { name: 'world', ok: true, detail: `at revision ${this.#world.revision}` };
  }
}

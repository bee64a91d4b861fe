/** A process that can be killed −9 at any step of its: nothing that it waits for then ever comes. */

/** When to die: at the how-manieth step, before or behind its effect. */
export interface Death {
  readonly step: number;
  readonly effect: boolean;
}

export class Mortal {
  readonly #death: Death | undefined;
  readonly #died = Promise.withResolvers<void>();
  /** Ends what waits for ever, when nobody looks any more. */
  readonly #buried = Promise.withResolvers<never>();
  #steps = 0;
  #dead = false;

  constructor(death?: Death) {
    this.#death = death;
    // Nobody may be waiting.
    this.#buried.promise.catch(() => undefined);
  }

  get steps(): number {
    return this.#steps;
  }
  get dead(): boolean {
    return this.#dead;
  }
  /** Resolves when it dies. */
  get died(): Promise<void> {
    return this.#died.promise;
  }
  bury(): void {
    this.#dead = true;
    this.#buried.reject(new Error('the process is dead'));
  }

  /** Does one thing outside of the process. */
  async step<T>(effect: () => T | Promise<T>): Promise<T> {
    if (this.#dead) return this.#buried.promise;
    const dies = this.#death?.step === ++this.#steps;
    if (dies && !this.#death!.effect) return this.#die();
    await Promise.resolve();
    const value = await effect();
    return dies || this.#dead ? this.#die() : value;
  }
  #die(): Promise<never> {
    this.#dead = true;
    this.#died.resolve();
    return this.#buried.promise;
  }
}

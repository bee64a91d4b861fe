/** Time between two looks, milliseconds. */
const LOOK_MS = 60_000;

/** Looks each minute for what is to be forgotten, one look at a time; one that is under way when this ends is told so. */
export class Forgetting implements AsyncDisposable {
  readonly #forget: (nowMs: number, ended: AbortSignal) => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  readonly #ended = new AbortController();
  #look: Promise<void> | undefined;

  /** @param forget what one look does, a little at a time @param onFatal has what fails while nobody waits */
  constructor(
    forget: (nowMs: number, ended: AbortSignal) => Promise<void>,
    { now, onFatal }: { readonly now: () => Date; readonly onFatal: (cause: unknown) => void },
  ) {
    this.#forget = forget;
    this.#timer = setInterval(() => this.look(now().getTime()).catch(onFatal), LOOK_MS);
    this.#timer.unref();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    clearInterval(this.#timer);
    await this.#look?.catch(() => undefined); // onFatal has it
  }

  /** @param nowMs milliseconds since 1970. @throws STORE_BROKEN */
  look(nowMs: number): Promise<void> {
    this.#look ??= this.#forget(nowMs, this.#ended.signal).finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }
}

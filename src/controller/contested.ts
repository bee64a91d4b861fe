/** Addresses of ports that machines of segments have too, as the segments' hosts say: in memory only, with what they report. */
import type { Report } from '../model/host-state.ts';
import type { PortStatus } from '../model/kinds.ts';

type Told = NonNullable<Report['ports'][number]['contests']>;
type OfPort = NonNullable<PortStatus['contested']>;

/** By port; few change, so that all is made anew when one does. */
export class Contested {
  /** By segment. */
  readonly #told = new Map<string, { readonly host: string; readonly contests: Told }>();
  #byPort = new Map<string, OfPort>();

  /** What a host says of its segment now. */
  heed(host: string, segment: string, contests: Told = []): void {
    if (contests.length > 0) this.#told.set(segment, { host, contests });
    else if (this.#told.get(segment)?.host !== host || !this.#told.delete(segment)) return;
    this.#index();
  }

  /** The host is connected no more. */
  forgetHost(host: string): void {
    const gone = [...this.#told].filter(([, told]) => told.host === host);
    for (const [segment] of gone) this.#told.delete(segment);
    if (gone.length > 0) this.#index();
  }

  of = (port: string): OfPort | undefined => this.#byPort.get(port);

  #index(): void {
    this.#byPort = new Map();
    for (const [segment, { contests }] of this.#told)
      for (const { port, address, mac } of contests)
        this.#byPort.getOrInsertComputed(port, () => []).push({ address, mac, segment });
  }
}

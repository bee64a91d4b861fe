/** What a path is: a way from one workload to another that can be measured. */

/** The two ends of a path that is set up; disposing removes all that it consists of. */
export interface Ends extends AsyncDisposable {
  /** Network namespace of the end that listens, as a path for nsenter. */
  readonly server: string;
  /** Network namespace of the end that connects. */
  readonly client: string;
  /** The server's address. */
  readonly address: string;
}

/** What a path may use while it is set up. */
export interface Site {
  /** Names everything that this run makes: "hdb" and six hexadecimal digits. */
  readonly prefix: string;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

/** One way to be compared. */
export interface Path {
  readonly name: string;
  /** The path that its ratios are over. */
  readonly baseline: 'host' | 'host-local' | 'heddle';
  /** Why it cannot be measured on this machine; undefined if it can. */
  unavailable?(): string | undefined;
  setUp(site: Site): Promise<Ends>;
}

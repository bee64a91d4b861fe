/** What a kind of workloads is to the matrix. */
import type { Leg, Town } from './town.ts';

/** A workload that asks. It is on h1, with a port on the network "left". */
export interface Client {
  readonly machine: string;
  /** Its port's name. */
  readonly port: string;
  /** Whom it asks for names: the network's gateway, or whoever it was told of when it started. */
  readonly resolver: 'gateway' | 'own';
  /** Runs the probe with these words; what it prints. */
  ask(words: readonly string[]): Promise<string>;
  /** Has its interface take packets that are larger than the network's. */
  widen(mtuBytes: number): Promise<unknown>;
}

/** The workloads of one kind. */
export interface Cast {
  readonly client: Client;
  /** One on every network on every host. */
  readonly servers: readonly Leg[];
  /** Where a server is the client's own machine: another one of the kind at that place. */
  readonly beside?: readonly Leg[];
}

export interface Kind {
  readonly name: string;
  /** Makes and starts them; they end with the town. */
  open(town: Town): Promise<Cast>;
}

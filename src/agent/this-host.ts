import type { Reconciler } from './reconciler.ts';

/** This host, to people and to the controller, which may give it another name while its agent is away. */
export interface ThisHost {
  /** What it is called; before a controller has ever said it, what it calls itself. */
  readonly name: string;
  /** What requests say for it: its id, which no other host has. Who has joined anew has the one from before until it is connected. */
  readonly ref: string;
}

/** @param name what it calls itself */
export const thisHost = (reconciler: Pick<Reconciler, 'host'>, name: string): ThisHost => ({
  get name() {
    return reconciler.host?.name ?? name;
  },
  get ref() {
    return reconciler.host?.id ?? name;
  },
});

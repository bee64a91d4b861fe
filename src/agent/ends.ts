import type { Attachment } from '../model/local-api.ts';
import { deviceEnd } from './segment/nic.ts';
import { tapEnd } from './tap-end.ts';
import { hostEnd, netnsEnd, pairEnd } from './veth-end.ts';
import type { WorkloadEnd } from './workload-end.ts';

type Kind = Attachment['kind'];

const ends: { readonly [K in Kind]: WorkloadEnd<Extract<Attachment, { kind: K }>> } = {
  netns: netnsEnd,
  pair: pairEnd,
  tap: tapEnd,
  host: hostEnd,
  device: deviceEnd,
};

/** What makes the device of an attachment of this kind. */
export const endOf = <A extends Attachment>({ kind }: A): WorkloadEnd<A> => ends[kind] as never;

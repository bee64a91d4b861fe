import type { Attachment } from '../model/local-api.ts';
import { deviceEnd } from './segment/nic.ts';
import { tapEnd } from './tap-end.ts';
import { hostEnd, netnsEnd, pairEndOf } from './veth-end.ts';
import type { WorkloadEnd } from './workload-end.ts';

type Kind = Attachment['kind'];
type OfKind<K extends Kind> = Extract<Attachment, { kind: K }>;

const ends: { readonly [K in Kind]: (attachment: OfKind<K>) => WorkloadEnd<OfKind<K>> } = {
  netns: () => netnsEnd,
  pair: pairEndOf,
  tap: () => tapEnd,
  host: () => hostEnd,
  device: () => deviceEnd,
};

/** What makes the device of this attachment. */
export const endOf = <A extends Attachment>(attachment: A): WorkloadEnd<A> =>
  ends[attachment.kind](attachment as never) as never;

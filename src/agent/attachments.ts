import { join } from 'node:path';
import type { PortId } from '../model/ids.ts';
import type { Attachment, PairAttachment } from '../model/local-api.ts';
import { Records } from './records.ts';

/**
 * The attachments of this host, on disk and in memory. One file each, because the kernel cannot tell what was wanted, and
 * the controller does not know where a workload's namespace is, nor of a port that was made while it was away.
 */
export class Attachments {
  readonly #records: Records<Attachment>;

  constructor(stateDirectory: string) {
    this.#records = new Records(join(stateDirectory, 'attachments'), (a) => a.port);
  }

  get = (port: PortId): Attachment | undefined => this.#records.get(port);
  /** By age. */
  all = (): readonly Attachment[] => [...this.#records.values()];
  /** The pair of an integration's workload that is not on its way out. */
  pairOf = (owner: string): PairAttachment | undefined =>
    this.all().find((a): a is PairAttachment => a.kind === 'pair' && a.owner === owner && a.state !== 'detaching');

  /**
   * Remembers it. The beginning is on the disk when this returns; what comes later need not be: after the machine's fall the
   * namespace is gone, and the older record leads to the same clean-up. What comes while it is being attached is in memory
   * alone: the end of that is written in any case, and whoever starts without it undoes the attach.
   */
  put(attachment: Attachment): void {
    const before = this.#records.get(attachment.port)?.state;
    const attaches = attachment.state === 'attaching';
    if (attaches && before === 'attaching') this.#records.hold(attachment);
    else this.#records.put(attachment, { sync: attaches || before === undefined });
  }

  /** Forgets it. */
  remove(port: PortId): void {
    this.#records.remove(port);
  }
}

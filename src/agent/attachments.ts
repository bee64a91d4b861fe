import { join } from 'node:path';
import type { PortId } from '../model/ids.ts';
import type { Attachment, PairAttachment } from '../model/local-api.ts';
import { Records } from './records.ts';

/**
 * How the text of a record begins that is attached, written over `{"state":"attaching"`, which is as long. Every record that is being
 * attached begins so on disk: {@link Attachments.put} writes its state first, and those of earlier programs, whose fields may stand
 * in another order, are undone at the start, before any of this one's (`Attacher.undoUnfinished`).
 */
const ended = '{"state":"attached" ';

/**
 * The attachments of this host, on disk and in memory. One file each, because the kernel cannot tell what was wanted, and
 * the controller does not know where a workload's namespace is, nor of a port that was made while it was away.
 */
export class Attachments {
  readonly #records: Records<Attachment>;
  readonly #log: { warn(about: object, text: string): void };

  constructor(stateDirectory: string, log: { warn(about: object, text: string): void }) {
    this.#log = log;
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
   * alone: whoever starts without it undoes the attach. The end of that is on disk at once, and the rest, which is what the
   * controller confirmed meanwhile, a moment later: whoever starts without it tells the controller again.
   */
  put(attachment: Attachment): void {
    const { state, ...rest } = attachment;
    const before = this.#records.get(attachment.port)?.state;
    const record = { state, ...rest } as Attachment;
    if (before !== 'attaching' || state === 'detaching')
      return this.#records.put(record, { sync: state === 'attaching' || before === undefined });
    if (state === 'attaching') return this.#records.hold(record);
    this.#records.hold(record, ended);
    setImmediate(() => {
      if (this.#records.get(record.port) !== record) return;
      try {
        this.#records.put(record, { sync: false });
      } catch (err) {
        this.#log.warn({ port: record.port, err }, 'what the controller confirmed of a port is in memory alone');
      }
    });
  }

  /** Forgets it. */
  remove(port: PortId): void {
    this.#records.remove(port);
  }
}

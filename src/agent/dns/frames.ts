/** Messages as TCP carries them: two bytes of length before each (RFC 1035 §4.2.2). */

/** A message with its length before it. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Puts the parts of a stream together to messages. */
export class FrameReader {
  readonly #maxBytes: number;
  #received = Buffer.alloc(0);

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The messages that this part completes; undefined if one says that it is longer than is taken. */
  push(part: Uint8Array | string): readonly Buffer[] | undefined {
    // Without an encoding set, a stream's parts are bytes; the types do not know.
    this.#received = Buffer.concat([this.#received, part as Uint8Array]);
    const messages: Buffer[] = [];
    while (this.#received.length >= 2) {
      const length = this.#received.readUInt16BE(0);
      if (length > this.#maxBytes) return undefined;
      if (this.#received.length < 2 + length) break;
      messages.push(this.#received.subarray(2, 2 + length));
      this.#received = this.#received.subarray(2 + length);
    }
    return messages;
  }
}

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { HeddleError } from '../model/errors.ts';

declare const tag: unique symbol;
/** 32 bytes that seal what the store must not tell to who has a copy of it. */
export type SealingKey = Buffer & { readonly [tag]: 'SealingKey' };
/** Bytes of one. */
export const SEALING_KEY_BYTES = 32;

/** What to do where the key of a store is not the one beside it. */
export const lostKey =
  'put the .secret.key that belongs to this store beside it; if it is lost for good: heddle controller --new-authority';

const [VERSION, NONCE_BYTES, TAG_BYTES] = ['s1.', 12, 16];

/**
 * A text that only who has the key can read, and only for the same purpose: AES-256-GCM with a new nonce.
 * @param purpose what it is and where it is kept; a sealed text moved to another place does not open there
 */
export function sealed(key: SealingKey, purpose: string, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(purpose));
  const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return VERSION + bytes.toString('base64url');
}

/** The text again. @throws STORE_BROKEN if it was sealed with another key or for another purpose, or was changed */
export function unsealed(key: SealingKey, purpose: string, text: string): string {
  try {
    if (!text.startsWith(VERSION)) throw new Error('of another format');
    const bytes = Buffer.from(text.slice(VERSION.length), 'base64url');
    const end = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(purpose))
      .setAuthTag(bytes.subarray(end));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]).toString('utf8');
  } catch (cause) {
    const problem = `${purpose} is sealed with another key: ${lostKey}`;
    throw new HeddleError('STORE_BROKEN', { problem }, cause);
  }
}

/** Whether that gives the text again. */
export function opens(key: SealingKey, purpose: string, text: string): boolean {
  try {
    unsealed(key, purpose, text);
    return true;
  } catch {
    return false;
  }
}

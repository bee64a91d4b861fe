import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 256 random bits, base64url: 43 characters. */
export const newSecret = (random: (n: number) => Uint8Array = randomBytes): string =>
  Buffer.from(random(32)).toString('base64url');

/** What is kept of a secret: SHA-256, base64url. It has 256 random bits, so that nobody finds it from this by trying. */
export const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

/** Whether it is the secret of a digest, in a time that says nothing of where they differ, nor whether there is one. */
export function isSecretOf(secret: string, digest: string | undefined): boolean {
  const [a, b] = [Buffer.from(digestOf(secret)), Buffer.from(digest ?? none)];
  return a.length === b.length && timingSafeEqual(a, b) && digest !== undefined;
}
const none = digestOf('');

/** 32 bytes as base64url, in the one way to write them. */
export const is32Bytes = (text: string): boolean =>
  /^[A-Za-z0-9_-]{43}$/.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text;

/** Tokens of ours, also as a part of a URL may be written, and a provider's (JWS, RFC 7515 §3.1), also behind a line's end in JSON. */
const secrets = /(hd[tj](?:_|%5[Ff])(?:[0-9a-f]{12,16}(?:_|%5[Ff]))?|(?:\b|(?<=\\[nrt]))eyJ)[\w%.-]+/g;

/** A text without the secrets of tokens, which people paste where they do not belong. Ids of ours stay. */
export const masked = (text: string): string => text.replace(secrets, '$1…');

/** The same of every text in a value that JSON can hold. */
export const withoutSecrets = <T>(value: T): T => JSON.parse(masked(JSON.stringify(value))) as T;

/** Of a token of ours what may stay, with each _ as it is, or as a part of a URL may be written, or one within a URL. */
const own = /hd[tj](?:_|%(?:25)*5[Ff])(?:[0-9a-f]{12,16}(?:_|%(?:25)*5[Ff]))?/;
/** Of a provider's (JWS, RFC 7515 §3.1), where a word begins: also behind what a line's end is in JSON, and what else is in a URL. */
const theirs = /(?:\b|(?<=\\[nrtf]|%(?:25)*[0-9A-Fa-f]{2}))eyJ/;
const secrets = new RegExp(`(${own.source}|${theirs.source})[\\w%.-]+`, 'g');

/** A text without the secrets of tokens, which people paste where they do not belong. Ids of ours stay. */
export const masked = (text: string): string => text.replace(secrets, '$1…');

/** The same of every text in a value that JSON can hold. */
export const withoutSecrets = <T>(value: T): T => JSON.parse(masked(JSON.stringify(value))) as T;

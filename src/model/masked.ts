/** A text without the secrets of tokens in it, "hdt_…" and "hdj_…", which people paste where they do not belong. Ids stay. */
export const masked = (text: string): string => text.replace(/(hd[tj]_(?:[0-9a-f]{12,16}_)?)[A-Za-z0-9_-]+/g, '$1…');

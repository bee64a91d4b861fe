/** Whether what names a container or network may be the beginning of an id: 64 lower-case hexadecimal digits. Pure. */
export const isIdLike = (term: string): boolean => /^[0-9a-f]+$/.test(term);

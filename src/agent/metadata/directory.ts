/** Text by path, as a tree: what Amazon's metadata service looks like from outside. */

/** A text, or a folder. */
type Made = string | Directory;
/** The same, or what makes it: only when somebody asks for it, or for the folder that it is in. */
export type Entry = Made | (() => Made);
/** A folder of named entries; `listing` is what its own path answers, by default the names, folders with a slash. */
export interface Directory {
  readonly entries: Readonly<Record<string, Entry>>;
  readonly listing?: string;
}

/** A folder; entries that are undefined are left out. */
export function directory(entries: Readonly<Record<string, Entry | undefined>>, listing?: string): Directory {
  const there = Object.entries(entries).filter((entry): entry is [string, Entry] => entry[1] !== undefined);
  return { entries: Object.fromEntries(there), ...(listing !== undefined && { listing }) };
}

/** The text at a path's parts; undefined if nothing is there. */
export function textAt(root: Directory, parts: readonly string[]): string | undefined {
  let at: Made | undefined = root;
  for (const part of parts) {
    const entry: Entry | undefined =
      typeof at === 'object' && Object.hasOwn(at.entries, part) ? at.entries[part] : undefined;
    at = entry === undefined ? undefined : made(entry);
  }
  return typeof at === 'object' ? (at.listing ?? names(at)) : at;
}

const made = (entry: Entry): Made => (typeof entry === 'function' ? entry() : entry);

const names = ({ entries }: Directory): string =>
  Object.entries(entries)
    .map(([name, entry]) => (typeof made(entry) === 'string' ? name : `${name}/`))
    .join('\n');

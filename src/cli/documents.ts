/** Documents from files, folders and standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { type Document, documentLimits } from '../model/document.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { kinds } from '../model/kinds.ts';
import { parseText, type TextDocument, withinLimits } from './document-text.ts';

/** What was read, and where each document was: for refusals. */
export interface ReadDocuments {
  readonly documents: Document[];
  readonly texts: readonly TextDocument[];
}

/**
 * All documents of these places, in their order; those of kinds that have a tenant and say none are of `tenant`.
 * @throws USAGE for a place that cannot be read, or if there are none; INVALID with file and line
 */
export async function readDocuments(places: readonly string[], tenant: string | undefined): Promise<ReadDocuments> {
  const texts: TextDocument[] = [];
  let bytes = 0;
  for (const path of places.flatMap(filesOf)) {
    const text = await read(path);
    bytes += Buffer.byteLength(text);
    withinLimits(texts.length, bytes);
    texts.push(...parseText(text, path === '-' ? 'standard input' : path));
    withinLimits(texts.length, bytes);
  }
  if (texts.length === 0) throw new HeddleError('USAGE', { problem: `there are no documents in ${places.join(', ')}` });
  return { documents: texts.map(({ value }) => ofTenant(value, tenant)), texts };
}

/** A folder's YAML and JSON files, with those of its folders, by name; without hidden ones. */
function filesOf(place: string): string[] {
  if (place === '-') return [place];
  try {
    if (!statSync(place).isDirectory()) return [place];
    const names = readdirSync(place, { recursive: true, encoding: 'utf8' }).sort();
    const shown = names.filter((name) => !name.split(sep).some((part) => part.startsWith('.')));
    const files = shown.filter((name) => /\.(ya?ml|json)$/i.test(name)).map((name) => join(place, name));
    return files.filter((file) => statSync(file).isFile());
  } catch (cause) {
    throw unreadable(place, cause);
  }
}

async function read(path: string): Promise<string> {
  try {
    if (path !== '-') return readFileSync(path, 'utf8');
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of process.stdin) {
      bytes += (chunk as Buffer).length;
      if (bytes > documentLimits.bytes) break; // it is refused for that
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks).toString('utf8') + (bytes > documentLimits.bytes ? ' '.repeat(bytes) : '');
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

const unreadable = (place: string, cause: unknown) =>
  new HeddleError('USAGE', { problem: `-f ${place}: ${(cause as Error).message}` }, cause);

function ofTenant(value: unknown, tenant: string | undefined): Document {
  const { kind = '' } = (value ?? {}) as Partial<Document>;
  const isTenants = Object.hasOwn(kinds, kind) && kinds[kind as Document['kind']].scope === 'tenant';
  return (isTenants && tenant ? { tenant, ...(value as object) } : value) as Document;
}

/** A refusal with file and line for each document, where it has the numbers alone. */
export function located(e: unknown, texts: readonly TextDocument[]): unknown {
  if (!hasCode(e, 'DOCUMENTS_REFUSED')) return e;
  const problems = e.details.problems.map((p) => {
    const text = p.document === undefined ? undefined : texts[p.document - 1];
    return text ? { ...p, at: text.at(p.field) } : p;
  });
  return new HeddleError('DOCUMENTS_REFUSED', { ...e.details, problems }, e);
}

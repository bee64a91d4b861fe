/** Documents as text: YAML 1.2, and so JSON; several in one text. */
import {
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseAllDocuments,
  stringify,
  visit,
  type Document as YamlDocument,
} from 'yaml';
import { type Document, documentLimits } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';

/** A document that was read, and where. */
export interface TextDocument {
  readonly value: unknown;
  /** "net.yaml:12": where it begins, or a field of it ("labels/tier") is. */
  at(field?: string): string;
}

const refusal = (at: string, problem: string, cause?: unknown) =>
  new HeddleError('INVALID', { field: at, problem }, cause);

/**
 * The documents of a text; a list is as many documents. Aliases are refused, not followed: a few of them make a text of a
 * hundred bytes into gigabytes.
 * @param source what to call it: a path
 * @throws INVALID with place and line
 */
export function parseText(text: string, source: string): TextDocument[] {
  const lines = new LineCounter();
  const lineOf = (offset: number): string => `${source}:${lines.linePos(offset).line}`;
  try {
    const parsed = parseAllDocuments(text, { lineCounter: lines, stringKeys: true, prettyErrors: false });
    return [...parsed].flatMap((document) => {
      refuseFaults(document as YamlDocument.Parsed, lineOf);
      const { contents } = document as YamlDocument.Parsed;
      if (contents === null || (isScalar(contents) && contents.value === null)) return [];
      return isSeq(contents)
        ? contents.items.map((item) => textDocument(document, item as Node, lineOf))
        : [textDocument(document, contents, lineOf)];
    });
  } catch (e) {
    if (e instanceof RangeError) throw refusal(source, 'it is nested too deeply', e);
    throw e;
  }
}

function refuseFaults(document: YamlDocument.Parsed, lineOf: (offset: number) => string): void {
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) throw refusal(lineOf(fault.pos[0]), fault.message, fault);
  visit(document, {
    Alias: (_, { source, range }) => {
      throw refusal(lineOf(range?.[0] ?? 0), `aliases (*${source}) are not taken: write it out`);
    },
    Pair: (_, { key }) => {
      if (isNode(key) && 'value' in key && key.value === '__proto__')
        throw refusal(lineOf(key.range?.[0] ?? 0), '__proto__ is no name of a field');
    },
  });
}

function textDocument(document: YamlDocument, node: Node, lineOf: (offset: number) => string): TextDocument {
  const start = node.range?.[0] ?? 0;
  return {
    value: node.toJS(document, { maxAliasCount: 0 }),
    at: (field) => lineOf((field === undefined ? undefined : placeOf(node, field.split('/'))) ?? start),
  };
}

/** Where a field is, or as much of the way to it as there is. */
function placeOf(node: Node, [name, ...rest]: readonly string[]): number | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(name)] as ParsedNode | undefined;
    return item && ((rest.length > 0 ? placeOf(item, rest) : undefined) ?? item.range[0]);
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isNode(key) && 'value' in key && key.value === name);
  if (!pair) return undefined;
  const inner = isNode(pair.value) && rest.length > 0 ? placeOf(pair.value, rest) : undefined;
  return inner ?? (pair.key as ParsedNode).range[0];
}

/** Documents as YAML, one after the other. */
export const textOf = (documents: readonly Document[]): string =>
  documents.map((document) => stringify(document, { lineWidth: 0, compat: 'yaml-1.1' })).join('---\n');

/** @throws INVALID for more than one request may have */
export function withinLimits(documents: number, bytes: number): void {
  if (documents > documentLimits.documents)
    throw refusal('documents', `${documents} are more than ${documentLimits.documents}: apply them in several sets`);
  if (bytes > documentLimits.bytes)
    throw refusal('documents', `they have over ${documentLimits.bytes >> 20} MiB: apply them in several sets`);
}

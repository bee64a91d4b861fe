import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Document } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';
import { textOf } from './document-text.ts';

/**
 * Writes documents into a folder, in files of their own: hosts, grants of the installation, each tenant. Files of tenants that are gone stay.
 * @returns their paths
 * @throws USAGE if it cannot be written
 */
export function writeDocuments(folder: string, documents: readonly Document[]): string[] {
  const byFile = Map.groupBy(documents, fileOf);
  try {
    return [...byFile].map(([file, own]) => {
      const path = join(folder, file);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, textOf(own));
      return path;
    });
  } catch (cause) {
    throw new HeddleError('USAGE', { problem: `--out ${folder}: ${(cause as Error).message}` }, cause);
  }
}

function fileOf({ kind, tenant, name }: Document): string {
  if (kind === 'host') return 'hosts.yaml';
  if (kind === 'grant' && tenant === undefined) return 'grants.yaml';
  return join('tenants', `${tenant ?? name}.yaml`);
}

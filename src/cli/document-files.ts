import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Document } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';
import { textOf } from './document-text.ts';

/**
 * Writes documents into a folder, in files of their own: the hosts, and each tenant. Files of tenants that are gone stay.
 * @returns their paths
 * @throws USAGE if it cannot be written
 */
export function writeDocuments(folder: string, documents: readonly Document[]): string[] {
  const byFile = Map.groupBy(documents, (document) =>
    document.kind === 'host' ? 'hosts.yaml' : join('tenants', `${document.tenant ?? document.name}.yaml`),
  );
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

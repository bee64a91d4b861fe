import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The path, or the nearest folder above it that is there. */
export function nearest(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) ? absolute : nearest(dirname(absolute));
}

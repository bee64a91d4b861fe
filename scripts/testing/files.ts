/** Which test files there are, and how each is to be run. */
import { glob, readFile } from 'node:fs/promises';

/** Test files that match, sorted. */
export async function testFiles(patterns: readonly string[], exclude: readonly string[] = []): Promise<string[]> {
  const found = await Array.fromAsync(glob(patterns, { exclude }));
  return found.sort();
}

/**
 * Splits by the mark `// exclusive: why`, a line of its own in a test file: such a test measures time or loss, or needs
 * the whole machine, and runs with no other beside it.
 */
export async function splitExclusive(files: readonly string[]): Promise<{ shared: string[]; exclusive: string[] }> {
  const marked = await Promise.all(
    files.map(async (file) => ({ file, exclusive: /^\/\/ exclusive: \S/m.test(await readFile(file, 'utf8')) })),
  );
  return {
    shared: marked.filter((m) => !m.exclusive).map((m) => m.file),
    exclusive: marked.filter((m) => m.exclusive).map((m) => m.file),
  };
}

/** Small programs of the tests' own, compiled when they are needed. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../../src/lab/lab.ts';
import { must } from '../../src/lab/run.ts';

/** The object of a source beside this file, with these numbers in it; it goes with the lab. */
export async function objectOf(lab: Lab, name: string, numbers: Readonly<Record<string, number>>): Promise<string> {
  const defines = Object.entries(numbers).map(([key, value]) => `-D${key}=${value}`);
  const hash = createHash('sha256').update(`${name} ${defines}`).digest('hex').slice(0, 12);
  const object = `${lab.plan.dir}/${hash}.o`;
  if (existsSync(object)) return object;
  const include = `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const source = fileURLToPath(new URL(name, import.meta.url));
  await must(['clang', '-O2', '-g', '-target', 'bpf', ...defines, include, '-c', source, '-o', object]);
  return object;
}

/** Has a device run a section of an object on one side; with a clsact, if it has none. */
export async function runAt(
  inside: readonly string[],
  device: string,
  side: 'ingress' | 'egress',
  object: string,
  section: string,
): Promise<void> {
  const tc = (...argv: string[]) => must([...inside, 'tc', ...argv]);
  if (!(await tc('qdisc', 'show', 'dev', device)).includes('clsact')) await tc('qdisc', 'add', 'dev', device, 'clsact');
  await tc('filter', 'add', 'dev', device, side, 'bpf', 'da', 'obj', object, 'sec', section);
}

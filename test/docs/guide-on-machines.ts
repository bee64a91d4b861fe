/** Pages whose blocks say on which machines they are run: "# on h1, h2 and h3". */
import assert from 'node:assert/strict';
import type { Machine } from './machines.ts';

/** What was said where, one after the other. */
export interface Told {
  readonly on: string;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the `sh` blocks of a page, or of a part of one, in their order; what they call `hdj_…` is the token that was made last.
 * @param after what people do by hand, or wait for, behind a block
 * @returns what they said
 */
export async function runBlocks(
  text: string,
  machines: readonly Machine[],
  after: (commands: string) => Promise<unknown> = async () => undefined,
): Promise<Told[]> {
  const told: Told[] = [];
  for (const [, names, commands] of text.matchAll(/^```sh\n# on ([^\n]+)\n(.*?)^```$/gms)) {
    for (const name of names!.match(/\w+\d/g)!) {
      const machine = machines.find((m) => m.name === name);
      assert.ok(machine, `there is no ${name}`);
      const token = told.findLast(({ stdout }) => stdout.startsWith('hdj_'))?.stdout.trim();
      const { code, stdout, stderr } = await machine.run(commands!.replaceAll('hdj_…', token ?? 'hdj_…'));
      assert.equal(code, 0, `on ${name}:\n${commands}\n${stdout}\n${stderr}`);
      told.push({ on: name, stdout, stderr });
    }
    await after(commands!);
  }
  const blocks = text.match(/^```sh$/gm)?.length;
  assert.equal(blocks, text.match(/^```sh\n# on /gm)?.length, 'each block says where it is run');
  return told;
}

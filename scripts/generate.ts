/**
 * Writes what is generated: `generate.ts header [file]` the C header, `generate.ts docs [file]` the page of drop reasons,
 * `generate.ts cli [file]` that of the command line, `generate.ts metrics [file]` that of the metrics. Without arguments: the checked-in pages.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { headerText, reasonsPage } from '../src/datapath/generated.ts';
import { metricsPage } from '../src/metrics/table.ts';

/** The commands are loaded only for their page: a build of the datapath does not need them. */
async function commandsPage(): Promise<string> {
  const [{ buildProgram }, { cliPage }] = await Promise.all([
    import('../src/cli/program.ts'),
    import('../src/cli/reference.ts'),
  ]);
  const { signal } = new AbortController();
  const nowhere = () => undefined;
  return cliPage(buildProgram({ out: nowhere, err: nowhere, colour: false, signal }));
}

const outputs: Record<string, { file: string; text: () => string | Promise<string> }> = {
  header: { file: 'build/generated.h', text: headerText },
  docs: { file: 'docs/reference/reasons.md', text: reasonsPage },
  cli: { file: 'docs/reference/cli.md', text: commandsPage },
  metrics: { file: 'docs/reference/metrics.md', text: metricsPage },
};
const [what, file] = process.argv.slice(2);
for (const name of what === undefined ? ['docs', 'cli', 'metrics'] : [what]) {
  const output = outputs[name];
  if (!output) throw new Error(`generate: unknown output ${name}; one of ${Object.keys(outputs).join(', ')}`);
  const path = file ?? output.file;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await output.text());
}

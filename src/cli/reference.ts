/** docs/reference/cli.md, generated from the tree of commands. */
import type { Command, Option } from 'commander';
import { madeWith } from './command.ts';
import { exitCodes } from './exit.ts';

const prose = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function optionRow(option: Option): string {
  const facts = [
    ...(option.mandatory ? ['required'] : []),
    ...(option.defaultValue !== undefined ? [`default \`${option.defaultValue}\``] : []),
    ...(option.envVar ? [`environment \`${option.envVar}\``] : []),
  ];
  const extra = facts.length > 0 ? ` (${facts.join(', ')})` : '';
  return `| \`${option.flags.replaceAll('|', '\\|')}\` | ${prose(option.description)}${extra} |`;
}

function section(command: Command, path: string): string {
  const args = command.registeredArguments.map((a) => {
    const name = `${a.name()}${a.variadic ? '...' : ''}`;
    return a.required ? ` <${name}>` : ` [${name}]`;
  });
  const options = command.options.filter((o) => !o.hidden);
  const parts = [`## ${path}`, prose(command.description())];
  if (command.commands.length === 0) parts.push(`\`\`\`text\n${path}${args.join('')} [options]\n\`\`\``);
  if (options.length > 0) parts.push(['| flag | meaning |', '|---|---|', ...options.map(optionRow)].join('\n'));
  const { examples, note } = madeWith(command);
  if (examples.length > 0) parts.push(`\`\`\`text\n${examples.join('\n')}\n\`\`\``);
  if (note !== undefined) parts.push(prose(note));
  return [parts.join('\n\n'), ...command.commands.map((c) => section(c as Command, `${path} ${c.name()}`))].join(
    '\n\n',
  );
}

/** The page's text. */
export function cliPage(program: Command): string {
  const codes = Object.entries(exitCodes).map(([code, text]) => `| ${code} | ${text} |`);
  return `# The command line

Generated from the commands by \`npm run generate\`; \`--help\` after any command says the same.

Results go to standard output, everything else to standard error. An error is one line, \`heddle: <text> [CODE]\`, and
perhaps a hint; with \`--json\` it is the API's problem object (RFC 9457). Colours are used on a terminal only, and not
if \`NO_COLOR\` is set.

| exit code | meaning |
|---|---|
${codes.join('\n')}

${program.commands.map((c) => section(c as Command, `heddle ${c.name()}`)).join('\n\n')}
`;
}

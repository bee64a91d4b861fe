/** `heddle completion <shell>`: scripts generated from the tree of commands. */
import type { Command } from 'commander';
import { HeddleError } from '../model/errors.ts';
import { makeCommand } from './command.ts';
import type { Io } from './io.ts';

/** What can follow each command: its commands and flags, by the words that lead to it. */
function wordsByPath(command: Command, path = 'heddle'): [path: string, words: string][] {
  const flags = command.options.flatMap((o) => o.long ?? []);
  const words = [...command.commands.map((c) => c.name()), ...flags, '--help'].join(' ');
  return [[path, words], ...command.commands.flatMap((c) => wordsByPath(c as Command, `${path} ${c.name()}`))];
}

/** Commands behind which the name of a context stands; it does behind every --context too. */
const ofContexts = ['use', 'show', 'remove'].map((name) => `heddle context ${name}`);
/** What prints the names of contexts. */
const listContexts = 'context list --names 2>/dev/null';

/** Functions that print what can follow: commands and flags, and names; bash and zsh read them alike. */
const caseOf = (program: Command): string =>
  `_heddle_words() {
  case "$1" in
${wordsByPath(program)
  .map(([path, words]) => `    '${path}') echo '${words}' ;;`)
  .join('\n')}
  esac
}
_heddle_next() {
  case "$1 $2" in
    *' --context') "$3" ${listContexts}; return ;;
    ${ofContexts.map((path) => `'${path} '*`).join('|')}) "$3" ${listContexts} ;;
  esac
  _heddle_words "$1"
}`;

const bash = (program: Command): string => `# heddle: source <(heddle completion bash)
${caseOf(program)}
_heddle() {
  local at=heddle word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case " $(_heddle_words "$at") " in *" $word "*) [[ $word == -* ]] || at="$at $word" ;; esac
  done
  local next=$(_heddle_next "$at" "\${COMP_WORDS[COMP_CWORD - 1]}" "\${COMP_WORDS[0]}")
  COMPREPLY=($(compgen -W "$next" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _heddle heddle ./heddle
`;

const zsh = (program: Command): string => `#compdef heddle
# heddle: source <(heddle completion zsh)
${caseOf(program)}
_heddle() {
  local at=heddle word
  for word in \${words[2,CURRENT-1]}; do
    case " $(_heddle_words "$at") " in (*" $word "*) [[ $word == -* ]] || at="$at $word" ;; esac
  done
  compadd -- \${=$(_heddle_next "$at" "\${words[CURRENT - 1]}" "\${words[1]}")}
}
compdef _heddle heddle
`;

const fish = (program: Command): string => `# heddle: heddle completion fish | source
function __heddle_words
  switch "$argv[1]"
${wordsByPath(program)
  .map(([path, words]) => `    case '${path}'; string split ' ' '${words}'`)
  .join('\n')}
  end
end
function __heddle_complete
  set -l at heddle
  set -l typed (commandline -opc)
  for word in $typed[2..-1]
    if contains -- $word (__heddle_words "$at"); and not string match -q -- '-*' $word
      set at "$at $word"
    end
  end
  switch "$at $typed[-1]"
    case '* --context'
      $typed[1] ${listContexts}
      return
    case ${ofContexts.map((path) => `'${path} *'`).join(' ')}
      $typed[1] ${listContexts}
  end
  __heddle_words "$at"
end
complete -c heddle -f -a '(__heddle_complete)'
`;

const shells = { bash, zsh, fish } as const;

export function completionCommand(io: Io, program: () => Command): Command {
  return makeCommand('completion', 'Print a completion script for a shell', [
    'source <(heddle completion bash)',
    'source <(heddle completion zsh)',
    'heddle completion fish | source',
  ])
    .argument('<shell>', Object.keys(shells).join(', '))
    .action((shell: string) => {
      if (!Object.hasOwn(shells, shell))
        throw new HeddleError('USAGE', { problem: `no completion for ${shell}; there is bash, zsh and fish` });
      io.out(shells[shell as keyof typeof shells](program()));
    });
}

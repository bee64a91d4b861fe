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

/** A function that prints what can follow; bash and zsh read it alike. */
const caseOf = (program: Command): string =>
  `_heddle_words() {
  case "$1" in
${wordsByPath(program)
  .map(([path, words]) => `    '${path}') echo '${words}' ;;`)
  .join('\n')}
  esac
}`;

const bash = (program: Command): string => `# heddle: source <(heddle completion bash)
${caseOf(program)}
_heddle() {
  local at=heddle word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case " $(_heddle_words "$at") " in *" $word "*) [[ $word == -* ]] || at="$at $word" ;; esac
  done
  COMPREPLY=($(compgen -W "$(_heddle_words "$at")" -- "\${COMP_WORDS[COMP_CWORD]}"))
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
  compadd -- \${=$(_heddle_words "$at")}
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
  for word in (commandline -opc)[2..-1]
    if contains -- $word (__heddle_words "$at"); and not string match -q -- '-*' $word
      set at "$at $word"
    end
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

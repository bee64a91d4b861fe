import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { encode, RECURSION_DESIRED } from 'dns-packet';
import { askUdp } from '../../dns/exchange.ts';
import { parseResolvConf, type Upstream } from '../../dns/resolv-conf.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';

const timeoutMs = 2_000;
const HEADER_BYTES = 12;

/** The resolvers that workloads' questions for outside names go to. */
interface NamesFacts {
  readonly file: string;
  /** Each with what is wrong; '' if it answers. */
  readonly resolvers: readonly { readonly address: string; readonly problem: string }[];
}

export function judgeNames({ file, resolvers }: NamesFacts): Finding[] {
  if (resolvers.length === 0)
    return [
      warn(
        `${file} names no resolver: workloads get no answer for names outside of their networks`,
        'name one there, or another file: heddle agent --resolv-conf <file>',
      ),
    ];
  const silent = resolvers.filter(({ problem }) => problem !== '');
  const advice = `see that it runs and can be reached from here, or take it out of ${file}`;
  if (silent.length === resolvers.length)
    return silent.map(({ address, problem }) => fail(`resolver ${address} does not answer: ${problem}`, advice));
  return silent.length > 0
    ? silent.map(({ address, problem }) =>
        warn(`resolver ${address} does not answer, and questions wait for it: ${problem}`, advice),
      )
    : [ok(`${resolvers.map(({ address }) => address).join(', ')} ${resolvers.length === 1 ? 'answers' : 'answer'}`)];
}

/** Asks for the servers of the root, which every resolver knows or refuses; either is an answer. */
async function problemOf(server: Upstream): Promise<string> {
  const asked = encode({
    type: 'query',
    id: randomInt(0x1_0000),
    flags: RECURSION_DESIRED,
    questions: [{ type: 'NS', name: '.' }],
  });
  try {
    await askUdp(server, asked, asked.subarray(HEADER_BYTES), timeoutMs);
    return '';
  } catch (e) {
    return (e as Error).message;
  }
}

function serversOf(file: string): Upstream[] {
  try {
    return parseResolvConf(readFileSync(file, 'utf8'));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}

export const names = makeCheck({
  name: 'names',
  about: 'the resolvers to which workloads’ questions are forwarded',
  gather: async ({ resolvConf }): Promise<NamesFacts> => ({
    file: resolvConf,
    resolvers: await Promise.all(
      serversOf(resolvConf).map(async (server) => ({ address: server.address, problem: await problemOf(server) })),
    ),
  }),
  judge: judgeNames,
});

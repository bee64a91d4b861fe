/**
 * Another's filter at the host's forward hook. Acceptance by our own table does not overrule a drop by another one: where the
 * classical FORWARD chain drops what it does not know, as Docker and ufw have it, our own addresses are accepted there.
 */
import { spawn } from 'node:child_process';
import { HeddleError } from '../model/errors.ts';
import { linkRange4, linkRange6 } from './link-addresses.ts';

const programs = [
  { program: 'iptables', range: linkRange4 },
  { program: 'ip6tables', range: linkRange6 },
] as const;
const rulesFor = (range: string): readonly string[] =>
  ['-s', '-d'].map((end) => `${end} ${range} -m comment --comment heddle -j ACCEPT`);

/**
 * Makes sure that the classical FORWARD chains let our links through. Where a program is missing there is no such chain.
 * @throws NAT_UNAVAILABLE if a chain that drops cannot be changed
 */
export async function passForeignFirewall(): Promise<void> {
  for (const { program, range } of programs) {
    const listing = await forwardChain(program);
    if (!listing.includes('-P FORWARD DROP')) continue;
    for (const rule of rulesFor(range)) if (!listing.includes(rule)) await change(program, '-I', rule);
  }
}

/** Removes our rules from there. @throws NAT_UNAVAILABLE */
export async function leaveForeignFirewall(): Promise<void> {
  for (const { program, range } of programs) {
    const listing = await forwardChain(program);
    for (const rule of rulesFor(range)) if (listing.includes(rule)) await change(program, '-D', rule);
  }
}

/** The chain's rules as text; empty where the program is missing or cannot work, so that nobody has rules by it. */
const forwardChain = async (program: string): Promise<string> => (await run(program, ['-S', 'FORWARD'])).out ?? '';

async function change(program: string, how: '-I' | '-D', rule: string): Promise<void> {
  const { out, said } = await run(program, [how, 'FORWARD', ...rule.split(' ')]);
  if (out === undefined) throw new HeddleError('NAT_UNAVAILABLE', { problem: `${program} ${how} FORWARD: ${said}` });
}

/** Standard output, undefined if the program is not there or refuses, and what it said then. */
async function run(program: string, argv: readonly string[]): Promise<{ out: string | undefined; said: string }> {
  const child = spawn(program, ['-w', '5', ...argv], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000, cwd: '/' });
  let [out, said] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const { promise, resolve } = Promise.withResolvers<{ out: string | undefined; said: string }>();
  child.once('error', (e) => resolve({ out: undefined, said: e.message }));
  child.once('close', (code) => resolve({ out: code === 0 ? out : undefined, said: said.trim() }));
  return promise;
}

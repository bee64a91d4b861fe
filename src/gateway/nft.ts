/** The program nft (Debian package nftables), run in a namespace without holding up the agent. */
import { spawn } from 'node:child_process';
import { inNetns, type Netns } from '../kernel/netns.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { tableName } from './ruleset.ts';

const deadlineMs = 20_000;

/** Its standard output. The child keeps the namespace in which it was started. @throws NAT_UNAVAILABLE with what it said */
async function nft(netns: Netns | undefined, argv: readonly string[], input = ''): Promise<string> {
  return run(netns, ['nft', ...argv], input);
}
async function run(
  netns: Netns | undefined,
  [program, ...argv]: readonly [string, ...string[]],
  input: string,
): Promise<string> {
  const start = () => spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'], timeout: deadlineMs, cwd: '/' });
  const child = netns ? inNetns(netns, start) : start();
  let [out, said] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stdin.on('error', () => undefined); // it ended without reading: its exit says why
  child.stdin.end(input);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (problem: string, cause?: unknown) => reject(new HeddleError('NAT_UNAVAILABLE', { problem }, cause));
  child.once('error', (cause) => fail('the program nft cannot be run; install the package nftables', cause));
  child.once('close', (code, signal) =>
    code === 0 ? resolve() : fail(said.trim() || `nft ended with ${signal ?? code}`),
  );
  await promise;
  return out;
}

/** Makes a ruleset hold, all of it or nothing. Costs about 15 ms, elsewhere than on the event loop. @throws NAT_UNAVAILABLE */
export async function nftLoad(netns: Netns | undefined, ruleset: string): Promise<void> {
  await nft(netns, ['-f', '-'], ruleset);
}

/** Has program and kernel say whether the ruleset could be loaded; nothing is changed. @throws NAT_UNAVAILABLE */
export async function nftCheck(ruleset: string): Promise<void> {
  await nft(undefined, ['-c', '-f', '-'], ruleset);
}

/** All chains of the own namespace, everybody's, as JSON (libnftables-json(5)). @throws NAT_UNAVAILABLE */
export const nftChains = (): Promise<string> => nft(undefined, ['-j', 'list', 'chains']);

/**
 * The table of such a ruleset as {@link nftTable} gives it: loaded in a namespace of its own, where nobody else can have
 * changed it before it is read. @throws NAT_UNAVAILABLE
 */
export function nftShown(ruleset: string): Promise<string> {
  const script = `nft -f - && exec nft -s list table inet ${tableName}`;
  return run(undefined, ['unshare', '--net', '--', 'sh', '-c', script], ruleset);
}

/** Our table as the kernel has it; undefined if there is none. @throws NAT_UNAVAILABLE */
export async function nftTable(netns: Netns | undefined): Promise<string | undefined> {
  try {
    return await nft(netns, ['-s', 'list', 'table', 'inet', tableName]);
  } catch (e) {
    if (
      hasCode(e, 'NAT_UNAVAILABLE') &&
      /No such file or directory/.test(e.message) &&
      !/cannot be run/.test(e.message)
    )
      return undefined;
    throw e;
  }
}

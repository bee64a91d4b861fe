/** How soon a set of documents is applied, and how many single writes, each with its record in the audit log, a second takes. */
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { textOf } from '../src/cli/document-text.ts';
import type { Client } from '../src/client/client.ts';
import type { ApplyResult } from '../src/model/apply.ts';
import type { Document } from '../src/model/document.ts';
import { HeddleError } from '../src/model/errors.ts';
import { type BenchController, benchController } from './controller.ts';
import type { Site } from './paths/path.ts';
import { type Summary, significant, summarize } from './statistics.ts';

/** What a run found out; the object that `--json` prints. */
export interface ApplyBench {
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly count: number;
  readonly documents: number;
  /** `heddle apply` from its start to its end, its documents in one file, seconds. */
  readonly apply_s: Summary;
  /** The same once more, when nothing is to be written. */
  readonly again_s: Summary;
  /** The request alone, decided and written or not, seconds: without the command's start and the reading of the file. */
  readonly request_s: Summary;
  readonly request_again_s: Summary;
  /** By how much that raised the store's revision. */
  readonly revisions_again: number;
  /** Ports created a second, one request after the other. */
  readonly writes_per_s: Summary;
  /** The same of `atOnce` clients. */
  readonly writes_at_once_per_s: Summary;
}

/** What is to be measured. */
interface ApplyPlan {
  readonly documents: number;
  readonly count: number;
  /** Single writes of a round, each of the two ways. */
  readonly writes: number;
}

const atOnce = 16;
const networks = 10;
const command = 'commands';
const request = 'requests';

/** Measures `count` rounds, each on a controller that has just started, with an empty store. */
export async function measureApply(site: Site, plan: ApplyPlan, now: () => Date): Promise<ApplyBench> {
  const rounds: Round[] = [];
  for (let i = 0; i < plan.count; i++) {
    site.signal.throwIfAborted();
    await using stack = new AsyncDisposableStack();
    rounds.push(await oneRound(await benchController(stack, site, `c${i}`), plan, site.signal));
    const { apply, again } = rounds.at(-1)!;
    site.progress(`${i + 1} of ${plan.count}: ${apply.toFixed(2)} s, again ${again.toFixed(2)} s`);
  }
  const of = (figure: keyof Round) => summary(rounds.map((round) => round[figure]));
  return {
    ...{ kernel: release(), date: now().toISOString(), count: plan.count, documents: plan.documents },
    ...{ apply_s: of('apply'), again_s: of('again') },
    ...{ request_s: of('request'), request_again_s: of('requestAgain') },
    revisions_again: of('revisionsAgain').max,
    ...{ writes_per_s: of('writes'), writes_at_once_per_s: of('writesAtOnce') },
  };
}

type Round = Record<
  'apply' | 'again' | 'request' | 'requestAgain' | 'revisionsAgain' | 'writes' | 'writesAtOnce',
  number
>;

function summary(samples: readonly number[]): Summary {
  const { median, min, max } = summarize(samples);
  return { median: significant(median), min: significant(min), max: significant(max) };
}

async function oneRound(
  { folder, client, heddle }: BenchController,
  plan: ApplyPlan,
  signal: AbortSignal,
): Promise<Round> {
  const file = join(folder, 'documents.yaml');
  writeFileSync(file, textOf(documentsOf(command, plan.documents)));
  const typed = async (): Promise<ApplyResult> => {
    const { code, stdout, stderr } = await heddle('apply', '-f', file, '--json');
    if (code !== 0) throw new HeddleError('LAB_FAILED', { problem: `heddle apply: ${stderr}` });
    return JSON.parse(stdout) as ApplyResult;
  };
  const first = await timed(typed);
  const second = await timed(typed);
  const asked = documentsOf(request, plan.documents);
  const once = await timed(() => client.apply(asked));
  const again = await timed(() => client.apply(asked));
  const made = first.value.changes.filter(({ action }) => action === 'create').length;
  if (made !== plan.documents) throw new HeddleError('LAB_FAILED', { problem: `${made} documents were written` });
  const since = (before: ApplyResult, after: ApplyResult) => Number(BigInt(after.revision) - BigInt(before.revision));
  return {
    ...{ apply: first.seconds, again: second.seconds, request: once.seconds, requestAgain: again.seconds },
    revisionsAgain: since(first.value, second.value) + since(once.value, again.value),
    writes: await writesPerSecond(client, plan.writes, 1, signal),
    writesAtOnce: await writesPerSecond(client, plan.writes, atOnce, signal),
  };
}

/** A tenant with networks of both families, which a router joins; all others are ports, every tenth with an address of its own. */
function documentsOf(tenant: string, count: number): Document[] {
  const nets = Array.from({ length: networks }, (_, i) => i);
  const above = [
    { kind: 'tenant', name: tenant },
    ...nets.map((i) => ({ kind: 'network', tenant, name: `n${i}`, mtuBytes: 1400, labels: { tier: `t${i % 3}` } })),
    ...nets.flatMap((i) => [
      { kind: 'subnet', tenant, name: `n${i}-v4`, network: `n${i}`, cidr: `10.0.${i * 16}.0/20` },
      { kind: 'subnet', tenant, name: `n${i}-v6`, network: `n${i}`, cidr: `fd00:${i}::/64` },
    ]),
    { kind: 'router', tenant, name: 'r', subnets: nets.flatMap((i) => [`n${i}-v4`, `n${i}-v6`]) },
  ];
  const ports = Array.from({ length: count - above.length }, (_, i) => {
    const [tens, ones] = [Math.floor(i / 10), i % 10];
    const net = ones === 0 ? tens % networks : i % networks;
    const host = 1 + Math.floor(tens / networks);
    return {
      ...{ kind: 'port', tenant, name: `p${i}`, network: `n${net}` },
      labels: { app: `a${i % 50}`, env: 'bench' },
      ...(ones === 0 && { addresses: [`10.0.${net * 16 + 8}.${host}`] }),
    };
  });
  return [...above, ...ports] as Document[];
}

/** Ports that these many clients create in a second, each one after the other. */
async function writesPerSecond(client: Client, writes: number, clients: number, signal: AbortSignal): Promise<number> {
  let begun = 0;
  const maker = async (): Promise<void> => {
    while (begun++ < writes) {
      signal.throwIfAborted();
      await client.create('port', { network: 'n0', labels: { by: 'bench' } }, { tenant: request });
    }
  };
  const { seconds } = await timed(() => Promise.all(Array.from({ length: clients }, maker)));
  return writes / seconds;
}

async function timed<T>(action: () => Promise<T>): Promise<{ seconds: number; value: T }> {
  const start = performance.now();
  const value = await action();
  return { seconds: (performance.now() - start) / 1000, value };
}

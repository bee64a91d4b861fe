/** Paths side by side: every round measures every metric on every path, one after the other, all on one core. */
import { release } from 'node:os';
import { commonMetrics, type Measuring, type MetricName, measure, metrics, settle } from './metrics.ts';
import type { Ends, Path, Site } from './paths/path.ts';
import { significant, summarize } from './statistics.ts';

/** One figure of the result. */
export interface Row {
  readonly path: string;
  readonly metric: MetricName;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/** What a run found out; the object that `--json` prints. */
export interface DatapathResult {
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  /** The core that both ends of every measurement were pinned to. */
  readonly core: number;
  readonly rounds: number;
  /** Paths that this machine cannot measure, and why. */
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
  readonly rows: readonly Row[];
  /** "<path>/<metric>": the median over that of the path's baseline; "…/udp_pps_10k": over the path's own one flow. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** What is to be measured, and how. */
export interface DatapathPlan {
  readonly paths: readonly Path[];
  /** Paths that are measured with many flows besides. */
  readonly manyFlows: readonly string[];
  readonly rounds: number;
  readonly measuring: Measuring;
  readonly site: Site;
  readonly now: () => Date;
}

/** Measures all of it. What was set up is removed before this resolves or rejects. */
export async function measureDatapath(plan: DatapathPlan): Promise<DatapathResult> {
  const { site, rounds, measuring } = plan;
  const skipped = plan.paths.flatMap((p) => {
    const why = p.unavailable?.();
    return why === undefined ? [] : [{ path: p.name, why }];
  });
  for (const { path, why } of skipped) site.progress(`skipped ${path}: ${why}`);
  const paths = plan.paths.filter((p) => !skipped.some((s) => s.path === p.name));
  const samples = new Map<string, number[]>();
  {
    await using stack = new AsyncDisposableStack();
    const ready: { path: Path; ends: Ends }[] = [];
    for (const path of paths) {
      site.progress(`setting up ${path.name}`);
      const ends = stack.use(await path.setUp(site));
      await settle(ends, measuring);
      ready.push({ path, ends });
    }
    for (let round = 0; round < rounds; round++) {
      site.progress(`round ${round + 1} of ${rounds}`);
      // Every path is first in turn, in case the place in the order matters.
      const order = ready.map((_, i) => ready[(i + round) % ready.length]!);
      for (const metric of Object.keys(metrics) as MetricName[])
        for (const { path, ends } of order.filter(({ path }) => measures(plan, path, metric))) {
          const key = `${path.name}/${metric}`;
          samples.set(key, [...(samples.get(key) ?? []), await measure(metric, ends, measuring)]);
        }
    }
    site.progress('removing what was set up');
  }
  return report(plan, paths, skipped, samples);
}

/** Whether a metric is measured on a path. */
function measures(plan: DatapathPlan, path: Path, metric: MetricName): boolean {
  return commonMetrics.some((m) => m === metric) || plan.manyFlows.includes(path.name);
}

function report(
  plan: DatapathPlan,
  paths: readonly Path[],
  skipped: DatapathResult['skipped'],
  samples: ReadonlyMap<string, readonly number[]>,
): DatapathResult {
  const rows = paths.flatMap((path) =>
    (Object.keys(metrics) as MetricName[]).flatMap((metric): Row[] => {
      const values = samples.get(`${path.name}/${metric}`);
      if (!values) return [];
      const { median, min, max } = summarize(values);
      return [
        {
          path: path.name,
          metric,
          median: significant(median),
          min: significant(min),
          max: significant(max),
          unit: metrics[metric].unit,
        },
      ];
    }),
  );
  const medianOf = (path: string, metric: MetricName) =>
    rows.find((r) => r.path === path && r.metric === metric)?.median;
  const ratios: Record<string, number> = {};
  for (const row of rows) {
    const { baseline } = paths.find((p) => p.name === row.path)!;
    const over = row.metric === 'udp_pps_10k' ? medianOf(row.path, 'udp_pps_1flow') : medianOf(baseline, row.metric);
    if (over !== undefined && row.metric !== 'udp_pps_1flow')
      ratios[`${row.path}/${row.metric}`] = significant(row.median / over);
  }
  return {
    kernel: release(),
    date: plan.now().toISOString(),
    core: plan.measuring.core,
    rounds: plan.rounds,
    skipped,
    rows,
    ratios,
  };
}

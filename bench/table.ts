/** The result of a run as a table for people. */

import { table } from '../src/cli/table.ts';
import type { ApplyBench } from './apply.ts';
import type { AttachResult } from './attach.ts';
import type { DatapathResult } from './datapath.ts';
import { type DockerResult, dockerFigures } from './docker.ts';
import { networkNames } from './docker-networks.ts';
import { type MetricName, metrics } from './metrics.ts';
import type { RestartResult } from './restart.ts';

/** Medians with their ratio to the path's baseline, one line for each path. */
export function datapathTable(result: DatapathResult): string {
  const names = (Object.keys(metrics) as MetricName[]).filter((m) => result.rows.some((r) => r.metric === m));
  const lines = [...new Set(result.rows.map((r) => r.path))].map((path) => [
    path,
    ...names.map((metric) => {
      const row = result.rows.find((r) => r.path === path && r.metric === metric);
      const ratio = result.ratios[`${path}/${metric}`];
      if (!row) return '';
      return `${row.median.toLocaleString('en')}${ratio === undefined ? '' : ` ×${ratio.toFixed(2)}`}`;
    }),
  ]);
  const notes = [
    `Kernel ${result.kernel}, ${result.date}. Medians of ${result.rounds} rounds; both ends on core ${result.core}.`,
    '× is over the bare hosts, on one host over one veth pair; routed over the same within a subnet; for 10,000 flows over one.',
    ...result.skipped.map(({ path, why }) => `Not measured: ${path}. ${why}.`),
  ];
  const header = ['path', ...names.map((m) => `${metrics[m].title}, ${metrics[m].unit}`)];
  return `${table(header, lines)}\n${notes.join('\n')}\n`;
}

/** Latencies, one line each. */
export function attachTable(result: AttachResult): string {
  const lines = (['attach_ms', 'detach_ms', 'reach_ms'] as const).map((name) => [
    name.replace('_ms', ''),
    String(result[name].p50),
    String(result[name].p99),
  ]);
  return `${table(['milliseconds', 'p50', 'p99'], lines)}\nKernel ${result.kernel}, ${result.date}. ${result.count} repetitions.\n`;
}

/** One line. */
export function restartTable({ ports, in_step_ms, kernel, date, count }: RestartResult): string {
  const figures = [String(ports), ...[in_step_ms.median, in_step_ms.min, in_step_ms.max].map(String)];
  const head = ['ports', 'in step after, ms', 'least', 'most'];
  return `${table(head, [figures])}\nKernel ${kernel}, ${date}. Median of ${count} restarts.\n`;
}

/** Figures as lines. */
export function applyTable(result: ApplyBench): string {
  const lines = (
    [
      ['heddle apply, s', result.apply_s],
      ['again, s', result.again_s],
      ['its request, s', result.request_s],
      ['its request again, s', result.request_again_s],
      ['writes/s, one after the other', result.writes_per_s],
      ['writes/s, 16 at once', result.writes_at_once_per_s],
    ] as const
  ).map(([title, { median, min, max }]) => [title, ...[median, min, max].map(String)]);
  const { kernel, date, count, documents, revisions_again } = result;
  const notes = [
    `Kernel ${kernel}, ${date}. Medians of ${count} rounds; ${documents} documents.`,
    `Applied again they wrote ${revisions_again} revisions.`,
  ];
  return `${table(['', 'median', 'least', 'most'], lines)}\n${notes.join('\n')}\n`;
}

/** Figures as lines, networks as columns; × is Heddle's over that network's, then that of the direct one. */
export function dockerTable(result: DockerResult): string {
  const lines = dockerFigures.map(([figure, title]) => [
    title,
    ...networkNames.map((name) => {
      const median = result.networks[name][figure]?.median;
      if (median === undefined) return '';
      const ratios = [result.ratios, result.direct_ratios].map((of) => of[`${figure}/${name}`]);
      return [
        median.toLocaleString('en'),
        ...ratios.flatMap((r) => (r === undefined ? [] : [`×${r.toFixed(2)}`])),
      ].join(' ');
    }),
  ]);
  const { kernel, date, engine, count, core, none } = result;
  const notes = [
    `Kernel ${kernel}, Docker ${engine}, ${date}. Medians of ${count} rounds; both ends of traffic on core ${core}.`,
    `× is Heddle's over it, the second that of the network with heddle.connect=direct. docker run with no network: ${none.run_ms?.median} ms.`,
  ];
  return `${table(['', ...networkNames], lines)}\n${notes.join('\n')}\n`;
}

import { type Labels, type MetricName, metrics, type OfType } from './table.ts';

/** The content type of what {@link Exposition.text} gives. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** The labels of a metric as the last argument: none for one without. */
type LabelsArgument<N extends MetricName> = keyof Labels<N> extends never ? [] : [labels: Labels<N>];

/** What is counted in one bucket each, of a histogram: not cumulative, and one more than there are bounds. */
interface Observations {
  readonly counts: readonly number[];
  readonly sum: number;
}

/** One answer in Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats), put together sample by sample. */
export class Exposition {
  readonly #samples = new Map<MetricName, string[]>();

  set<N extends OfType<'counter' | 'gauge'>>(name: N, value: number | bigint, ...labels: LabelsArgument<N>): void {
    this.#add(name, `${name}${labelText(labels[0])} ${value}`);
  }

  histogram<N extends OfType<'histogram'>>(name: N, { counts, sum }: Observations, labels: object): void {
    const bounds = [...metrics[name].bounds.map(String), '+Inf'];
    let total = 0;
    for (const [i, le] of bounds.entries()) {
      total += counts[i] ?? 0;
      this.#add(name, `${name}_bucket${labelText({ ...labels, le })} ${total}`);
    }
    this.#add(name, `${name}_sum${labelText(labels)} ${sum}`);
    this.#add(name, `${name}_count${labelText(labels)} ${total}`);
  }

  /** The text of what is put into a new one. */
  static async of(fill: (into: Exposition) => void | Promise<void>): Promise<string> {
    const into = new Exposition();
    await fill(into);
    return into.text();
  }

  /** The metrics that have samples, in the table's order. */
  text(): string {
    const lines: string[] = [];
    for (const name of Object.keys(metrics) as MetricName[]) {
      const samples = this.#samples.get(name);
      if (!samples) continue;
      const { help, type } = metrics[name];
      lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\')}`, `# TYPE ${name} ${type}`, ...samples);
    }
    return `${lines.join('\n')}\n`;
  }

  #add(name: MetricName, line: string): void {
    const samples = this.#samples.get(name);
    if (samples) samples.push(line);
    else this.#samples.set(name, [line]);
  }
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };
function labelText(labels: object | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(
    ([label, value]) => `${label}="${String(value).replace(/[\\"\n]/g, (c) => escapes[c]!)}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** The demo's two tables as text. */
import { type Io, paint } from '../io.ts';
import { table } from '../table.ts';

/** An answered question. */
export interface Row {
  readonly what: string;
  readonly from: string;
  readonly address: string;
  /** Who answered; null: nobody. */
  readonly answer: string | null;
  readonly expected: string | null;
  readonly ok: boolean;
}
/** A figure of the bare hosts and the same through the overlay. */
export interface SpeedRow {
  readonly what: string;
  readonly unit: string;
  readonly bare: number;
  readonly overlay: number;
  readonly ratio: number;
}

const widths = [48, 18, 12, 28];
const cells = (texts: readonly string[]): string => texts.map((t, i) => t.padEnd(widths[i] ?? 0)).join('  ');

/** A row of the first table, or its header: rows are shown one by one, as the answers come. */
export function rowText(io: Io, row?: Row): string {
  if (!row) return `${cells(['', 'FROM', 'TO', 'ANSWER', ''])}\n`;
  const answer = row.answer === null ? 'not reachable' : `reachable: ${row.answer}`;
  const verdict = row.ok
    ? paint(io, 'green', 'as it should be')
    : paint(io, 'red', `WRONG, expected ${row.expected ?? 'nobody'}`);
  return `${cells([row.what, row.from, row.address, answer])}  ${verdict}\n`;
}

/** The second table. */
export const speedText = (rows: readonly SpeedRow[]): string =>
  table(
    ['', 'bare hosts', 'heddle', '× bare'],
    rows.map((r) => [
      r.what,
      `${r.bare.toFixed(1)} ${r.unit}`,
      `${r.overlay.toFixed(1)} ${r.unit}`,
      r.ratio.toFixed(2),
    ]),
  );

/** The matrix as text: a line for each pair of kinds, a column for each place and family. */
import { checks, type Family, families } from './asking.ts';
import type { Leg } from './town.ts';

/** What became of the question that one kind asked another at one place. */
export interface Cell {
  readonly client: string;
  readonly server: string;
  readonly place: string;
  readonly family: Family;
  /** Checks that failed, each with what was wrong. */
  readonly failed: readonly string[];
}

/** Where a server is, as its client sees it, who is on h1 and "left". */
export const placeOf = ({ host, side }: Leg): string =>
  `${host === 'h1' ? 'same host' : 'other host'}, ${side === 'left' ? 'same subnet' : 'routed'}`;
export const cellName = ({ client, server, place, family }: Cell): string =>
  `${client} to ${server}, ${place}, IPv${family}`;

export function tableOf(cells: readonly Cell[]): string[] {
  const places = [...new Set(cells.map((cell) => cell.place))];
  const pairs = Map.groupBy(cells, ({ client, server }) => `${client} → ${server}`);
  const rows = [...pairs].map(([pair, of]) => [
    pair,
    ...places.flatMap((place) =>
      families.map((family) => textOf(of.find((cell) => cell.place === place && cell.family === family))),
    ),
  ]);
  const heads = [
    ['', ...places.flatMap((place) => [place.split(', ')[0]!, ''])],
    ['', ...places.flatMap((place) => [place.split(', ')[1]!, ''])],
    ['client → server', ...places.flatMap(() => families.map((family) => `IPv${family}`))],
  ];
  const lines = [...heads, ...rows];
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const legend = Object.entries(checks).map(([name, what]) => `  ${name.padEnd(8)}${what}`);
  return [
    ...lines.map((line) =>
      line
        .map((text, i) => text.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    ),
    `a number: of so many checks all passed`,
    ...legend,
  ];
}

function textOf(cell: Cell | undefined): string {
  if (!cell) return 'missing';
  const names = cell.failed.map((text) => text.split(':')[0]);
  return names.length === 0 ? `${Object.keys(checks).length}` : `not ${names.join(' ')}`;
}

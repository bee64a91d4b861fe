/** Text that came from elsewhere, safe for a terminal: no control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
export const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');

/** A table for people: aligned columns, the header in capitals, nothing around it. Cells are plain text. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header.map((h) => h.toUpperCase()), ...rows.map((r) => r.map(printable))];
  const widths = header.map((_, i) => Math.max(...lines.map((l) => l[i]?.length ?? 0)));
  return lines
    .map(
      (l) =>
        `${l
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Name and value, one a line, aligned. */
export function pairs(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...entries.map(([k]) => k.length));
  return entries
    .map(([k, v]) => `${`${k}:`.padEnd(width + 1)}  ${printable(v)}`.trimEnd())
    .join('\n')
    .concat('\n');
}

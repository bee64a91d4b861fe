/** Pieces of nftables text that both rulesets are made of. */

/** The table's name, in a gateway's namespace and in the host's. */
export const tableName = 'heddle';

/** "elements = { a, b }", or nothing: nft refuses an empty list. */
export const elements = (list: readonly string[]): string =>
  list.length === 0 ? '' : `elements = { ${list.join(', ')} }`;

/** A set or map with its elements. */
export const collection = (kind: 'set' | 'map', name: string, type: string, list: readonly string[]): string =>
  `  ${kind} ${name} { type ${type}; ${elements(list)} }`;

/** A chain; with a hook it is a base chain, and lets pass what no rule decides: between two rulesets nothing is lost. */
export const chain = (name: string, hook: string | undefined, rules: readonly string[]): string =>
  [
    `  chain ${name} {`,
    ...(hook ? [`    type ${hook}; policy accept;`] : []),
    ...rules.map((r) => `    ${r}`),
    '  }',
  ].join('\n');

/** Replaces the table with this one, in one step. */
export const replaceTable = (parts: readonly string[]): string =>
  [
    `add table inet ${tableName}`,
    `delete table inet ${tableName}`,
    `table inet ${tableName} {`,
    ...parts,
    '}',
    '',
  ].join('\n');

/** Removes the table, if it is there. */
export const removeTable = `add table inet ${tableName}\ndelete table inet ${tableName}\n`;

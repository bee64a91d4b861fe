import { gatewayMac, helloGroup, type Mac, macBytes } from '../model/address.ts';
import { PLACE_FIRST } from '../model/ids.ts';
import {
  BEGUN_WORDS,
  configFlags,
  FLOOD_MAX,
  FLOOD_SENDER,
  FLOOD_SENDER_TAG,
  fdbFlags,
  floodFlags,
  isArray,
  maps,
  OLDER_FLOWS,
  OLDER_SECOND,
  portFlags,
  routeActions,
  SLOTS_MAX,
  vtepFlags,
} from './layouts.ts';
import { REASONS_MAX, type Reason, reasons } from './reasons.ts';

const constants = (prefix: string, values: Readonly<Record<string, number>>): string[] =>
  Object.entries(values).map(([name, value]) => `#define ${prefix}_${name} ${value}`);

/** A MAC as the words that the programs compare: its first four bytes and its last two. */
function macWords(mac: Mac): Readonly<Record<string, number>> {
  const view = new DataView(Uint8Array.from(macBytes(mac)).buffer);
  return { FIRST: view.getUint32(0, true), LAST: view.getUint16(4, true) };
}

/** The C header of the datapath: structs, maps in BTF style, flags, reasons. Written to build/ before compiling. */
export function headerText(): string {
  // The kernel takes arrays with a BTF key of a plain 32-bit integer only.
  const structs = new Map(Object.values(maps).flatMap((m) => [m.key, m.value].map((s) => [s.name, s.c] as const)));
  const definitions = Object.entries(maps).map(([name, m]) =>
    [
      'struct {',
      `\t__uint(type, BPF_MAP_TYPE_${m.type});`,
      `\t__type(key, ${isArray(m) ? '__u32' : `struct ${m.key.name}`});`,
      `\t__type(value, struct ${m.value.name});`,
      `\t__uint(max_entries, ${m.max});`,
      ...(isArray(m) || m.type === 'LRU_HASH' ? [] : ['\t__uint(map_flags, BPF_F_NO_PREALLOC);']),
      `} ${name} SEC(".maps");`,
    ].join('\n'),
  );
  return `${[
    '/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */',
    '/* Generated from layouts.ts and reasons.ts; do not edit. */',
    '#pragma once',
    ...constants('HD', {
      SLOTS_MAX,
      REASONS_MAX,
      FLOOD_MAX,
      FLOOD_SENDER,
      FLOOD_SENDER_TAG,
      PLACE_FIRST,
      BEGUN_WORDS,
      OLDER_FLOWS,
      OLDER_SECOND,
    }),
    ...constants('HD_GATEWAY_MAC', macWords(gatewayMac)),
    ...constants('HD_HELLO', macWords(helloGroup)),
    ...constants('HD_PORT', portFlags),
    ...constants('HD_FDB', fdbFlags),
    ...constants('HD_FLOOD', floodFlags),
    ...constants('HD_ROUTE', routeActions),
    ...constants('HD_VTEP', vtepFlags),
    ...constants('HD_CONFIG', configFlags),
    ...constants('HD', Object.fromEntries(reasons.map((r, i) => [r.name.toUpperCase(), i]))),
    ...structs.values(),
    ...definitions,
  ].join('\n')}\n`;
}

const rows = (kind: Reason['kind']): string[] =>
  (reasons as readonly Reason[]).flatMap((r, i) => (r.kind === kind ? [`| ${i} | \`${r.name}\` | ${r.text} |`] : []));
const table = (kind: Reason['kind']): string[] => ['| number | name | meaning |', '|---|---|---|', ...rows(kind)];

/** The page docs/reference/reasons.md. */
export const reasonsPage = (): string =>
  `${[
    '# Drop reasons and events',
    '',
    'Every packet that the datapath drops is counted by port and reason; `heddle port show --counters` shows the counts.',
    'Counts that belong to no port (slot 0) are the host’s own. This page is generated from `src/datapath/reasons.ts`.',
    '',
    '## Drops',
    '',
    ...table('drop'),
    '',
    '## Events',
    '',
    ...table('event'),
  ].join('\n')}\n`;

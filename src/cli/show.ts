/** How objects are shown to people: the columns of the kinds table, ids as names. */
import type { Client } from '../client/client.ts';
import { reasons } from '../datapath/reasons.ts';
import { hasCode } from '../model/errors.ts';
import type { PortCounters } from '../model/host-state.ts';
import {
  type Kind,
  kinds,
  type PortStatus,
  type Publish,
  type Route,
  type Segment,
  type Translation,
} from '../model/kinds.ts';
import { publishText } from './publish-text.ts';
import { rangesText } from './ranges.ts';
import { routeText } from './route-text.ts';
import { pairs, table } from './table.ts';

type Row = Readonly<Record<string, unknown>>;
/** Names by id, of the kinds that an object refers to. */
export type Names = ReadonlyMap<string, string>;

/** The names of what these objects of a kind refer to: of other kinds all, of their own those that are not among them. */
export async function referredNames(
  client: Client,
  kind: Kind,
  tenant: string | undefined,
  objects: readonly { readonly id: string; readonly name: string }[],
): Promise<Names> {
  const referred = Object.values(kinds[kind].refersTo);
  const others = new Set<Kind>([...(tenant ? (['tenant'] as const) : []), ...referred.filter((k) => k !== kind)]);
  const lists = await Promise.all(
    [...others].map((other) => client.list(other, kinds[other].scope === 'tenant' ? { tenant } : {})),
  );
  const own = referred.includes(kind) ? objects : [];
  const names = new Map([...lists.flat(), ...own].map((o) => [o.id, o.name]));
  if (own.length > 0) for (const object of own) await learnNames(client, kind, object, names, tenant);
  return names;
}

/** Asks for the names of what an object refers to, if they are not known; one that is gone by now keeps its id. */
export async function learnNames(
  client: Client,
  kind: Kind,
  object: object,
  names: Map<string, string>,
  tenant: string | undefined,
): Promise<void> {
  for (const [field, other] of Object.entries(kinds[kind].refersTo)) {
    for (const id of [(object as Readonly<Record<string, unknown>>)[field]].flat()) {
      if (typeof id !== 'string' || names.has(id)) continue;
      try {
        names.set(id, (await client.get(other, id, { tenant })).name);
      } catch (e) {
        if (!hasCode(e, 'NOT_FOUND')) throw e;
      }
    }
  }
}

/** A field as text. */
function cell(kind: Kind, field: string, value: unknown, names: Names): string {
  if (value === undefined || value === null) return '-';
  if (field === 'tenant' || field in kinds[kind].refersTo)
    return (
      [value]
        .flat()
        .map((id) => names.get(String(id)) ?? String(id))
        .join(', ') || '-'
    );
  if (field === 'status') return statusText(value as Row);
  if (field === 'segment') return segmentText(value as Segment);
  if (field === 'pools') return (value as Row[]).map((p) => `${p.first}-${p.last}`).join(', ');
  if (kind === 'lease' && field === 'addresses') return rangesText(value as string[]) || '-';
  if (field === 'routes') return (value as Route[]).map(routeText).join(', ') || '-';
  if (field === 'translations')
    return (value as Translation[]).map((t) => `${names.get(t.subnet) ?? t.subnet}=${t.as}`).join(', ') || '-';
  if (field === 'userData') return `${Buffer.byteLength(String(value))} bytes; --json shows them`;
  if (field === 'publish') return (value as Publish[]).map(publishText).join(', ') || '-';
  if (field === 'dhcp')
    return (
      Object.entries(value)
        .map(([k, v]) => `${k}=${cell(kind, k, v, names)}`)
        .join('; ') || '-'
    );
  if (field === 'labels')
    return (
      Object.entries(value)
        .map(([k, v]) => `${k}=${v}`)
        .join(', ') || '-'
    );
  return Array.isArray(value) ? value.join(', ') || '-' : String(value);
}

/** Where a port is: its host, and what else of it there is: its standby, the port that it is behind. */
function place(kind: Kind, row: Row, names: Names): string {
  const [host, standby, behind] = ['host', 'standby', 'behind'].map((f) => cell(kind, f, row[f], names));
  if (row.behind) return `${host} (behind ${behind}${row.vlan === undefined ? '' : `, vlan ${row.vlan}`})`;
  return row.standby ? `${host} (or ${standby})` : host!;
}

function segmentText({ learn, ageSeconds, router }: Segment): string {
  const asks = ageSeconds === undefined ? '' : `, asks after ${ageSeconds} s`;
  return `learns up to ${learn}${asks}${router ? ', tells of the router' : ''}`;
}

/** Of addresses that machines have too. */
const contestedText = (contested: NonNullable<PortStatus['contested']>): string =>
  contested.map(({ address, mac }) => `${address} by ${mac}`).join(', ');

const statusText = ({ condition, code }: Row): string => (code ? `${condition} (${code})` : String(condition));
const title = (field: string): string => (field === 'mtuBytes' ? 'mtu' : field);

/** A list as a table. */
export const listTable = (kind: Kind, rows: readonly object[], names: Names): string =>
  table(
    kinds[kind].columns.map(title),
    rows.map((r) =>
      kinds[kind].columns.map((c) => {
        if (c === 'host') return place(kind, r as Row, names);
        // Of why it is offline this is the only one that the controller knows.
        if (c === 'status' && (r as Row).revoked === true) return 'revoked';
        return cell(kind, c, (r as Row)[c], names);
      }),
    ),
  );

/** One object, all its fields. */
export function details(kind: Kind, object: object, names: Names): string {
  const shown = Object.entries(object).filter(([f]) => f !== 'status' && f !== 'counters');
  const status = Object.entries(((object as Row).status ?? {}) as Row);
  return pairs([
    ...shown.map(([f, v]) => [title(f), cell(kind, f, v, names)] as const),
    ...status.map(
      ([f, v]) =>
        [
          f === 'condition' ? 'status' : `status ${f}`,
          f === 'contested' ? contestedText(v as never) : String(v),
        ] as const,
    ),
  ]);
}

/** A port's counters and the reasons that occurred, with what they mean. */
export function countersText(counters: PortCounters): string {
  const traffic = table(
    ['', 'packets', 'bytes'],
    [
      ['sent by the workload', counters.txPackets, counters.txBytes],
      ['received by it', counters.rxPackets, counters.rxBytes],
    ],
  );
  const seen = reasons.filter((r) => counters.reasons[r.name]);
  if (seen.length === 0) return `${traffic}\nNo packet was dropped.\n`;
  const rows = seen.map((r) => [r.name, r.kind, counters.reasons[r.name]!, r.text]);
  return `${traffic}\n${table(['reason', 'kind', 'packets', 'meaning'], rows)}`;
}

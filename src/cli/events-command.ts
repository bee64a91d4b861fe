/** `heddle events`: what happened to objects. */
import { type Command, Option } from 'commander';
import { type Event, type EventType, eventLimits, eventTypes } from '../model/events.ts';
import { kinds } from '../model/kinds.ts';
import {
  collect,
  controllerClient,
  integer,
  makeCommand,
  parseKind,
  printJson,
  type Typed,
  withShared,
} from './command.ts';
import { type Io, paint } from './io.ts';
import { printable, table } from './table.ts';

/** Events that are shown if nobody says how many. */
const shownDefault = 200;

interface EventsTyped extends Typed {
  readonly type?: readonly EventType[];
  readonly since?: string;
  readonly limit?: number;
  readonly follow?: boolean;
}

export function eventsCommand(io: Io): Command {
  const command = makeCommand(
    'events',
    'Show what happened to objects: made, bound, wired, failed, moved, hosts lost',
    [
      'heddle events --since 10m',
      'heddle events port db1 --tenant acme',
      'heddle events host --follow',
      'heddle events --type failed --type offline --json',
    ],
    `The controller keeps events in memory: ${eventLimits.perObject} of each object, ${eventLimits.perTenant} of each tenant. They are gone when it restarts.`,
  )
    .argument('[kind]', `of objects of this kind: ${Object.keys(kinds).join(', ')}`)
    .argument('[name]', 'of this object (name or id), also if it is gone')
    .addOption(
      new Option('--type <type>', `of this type: ${Object.keys(eventTypes).join(', ')} (repeatable)`).argParser(
        collect,
      ),
    )
    .option('--since <time>', 'from so long ago, as 90m, or from a time as 2026-11-22T10:00:00Z')
    .option('--limit <number>', 'the latest so many', integer, shownDefault)
    .option('--follow', 'go on with every one that comes, until interrupted');
  return withShared(command, 'tenant', 'controller', 'json').action(
    async (kind: string | undefined, name: string | undefined, typed: EventsTyped) => {
      // Of hosts and tenants there is no tenant to ask for, whatever the environment says; without a kind, only if it is typed.
      const isTyped = command.getOptionValueSource('tenant') === 'cli';
      const known = kind === undefined ? undefined : parseKind(kind);
      const isScoped = known !== undefined && kinds[known].scope !== 'cluster';
      const query = {
        kind: known,
        object: name,
        tenant: isTyped || isScoped ? typed.tenant : undefined,
        type: typed.type,
        since: typed.since,
      };
      const client = controllerClient(typed);
      if (!typed.follow) {
        const items = await client.events(query);
        return show(io, items, typed);
      }
      for await (const line of client.followEvents({ ...query, signal: io.signal })) {
        if (typed.json) io.out(`${JSON.stringify(line)}\n`);
        else if ('lost' in line) io.err(`${line.lost} events went before they could be shown\n`);
        else io.out(lineOf(io, line));
      }
    },
  );
}

function show(io: Io, items: readonly Event[], { json, limit = shownDefault }: EventsTyped): void {
  const latest = limit === 0 ? [] : items.slice(-limit);
  if (json) return printJson(io, { items: latest });
  if (latest.length === 0) return io.err('no events; the controller keeps those since it began\n');
  const rows = latest.map(({ type, text, ...about }) => [timeOf(about), type, subjectOf(about), text]);
  io.out(table(['time', 'type', 'object', 'what'], rows));
  const earlier = items.length - latest.length;
  if (earlier > 0)
    io.err(`${earlier} earlier ${earlier === 1 ? 'event' : 'events'}: --limit ${items.length} shows all\n`);
}

const timeOf = ({ at }: Pick<Event, 'at'>): string => `${at.slice(0, 19)}Z`;
const subjectOf = ({ kind, name, tenantName }: Pick<Event, 'kind' | 'name' | 'tenantName'>): string =>
  `${kind} ${tenantName === undefined || kind === 'tenant' ? '' : `${tenantName}/`}${name}`;

function lineOf(io: Io, event: Event): string {
  const type = event.type.padEnd(8);
  const shown = event.severity === 'warning' ? paint(io, 'yellow', type) : type;
  return `${timeOf(event)}  ${shown}  ${printable(subjectOf(event))}  ${printable(event.text)}\n`;
}

/** Makes events of what the world and the hosts tell. */
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../model/errors.ts';
import type { EventType } from '../model/events.ts';
import type { Kind } from '../model/kinds.ts';
import type { Events, Noted } from './events.ts';
import type { Connected, PortWord } from './presence.ts';
import type { AnyRecord, PortRecord, Stored } from './records.ts';
import type { World, WorldChange } from './world.ts';

/** Fields that say where a port is, and have events of their own; and what goes with a move. */
const placeFields: ReadonlySet<string> = new Set(['host', 'origin', 'movedAt', 'place']);
/** What a host does all the time by itself, and would hide the rest. */
const isRoutine = ({ kind }: WorldChange): boolean => kind === 'lease';

/** Notes the changes of objects, and what hosts say of their ports. */
export class Chronicle {
  readonly #world: World;
  readonly #events: Events;
  /** What was last noted of a port on each host where it was wired: an agent tells all anew with every connection. */
  readonly #said = new Map<string, Map<string, string>>();

  constructor(world: World, events: Events) {
    this.#world = world;
    this.#events = events;
  }

  /** To be called by the world. */
  readonly observe = (changes: readonly WorldChange[], revision: bigint): void => {
    for (const change of changes) {
      const { before, after } = change;
      // A port behind another, whose place changes with that one's.
      if (before === after) continue;
      if (!before && after) this.#note(after, 'created', { revision, text: 'created' });
      if (change.kind === 'port') this.#place(change as WorldChange<'port'>, revision);
      if (before && after && !isRoutine(change)) this.#updated(before, after, revision);
      if (before && !after) {
        this.#note(before, 'deleted', { revision, text: 'deleted' });
        this.#said.delete(before.record.id);
      }
    }
  };

  /** A host's agent has connected, where none was. */
  arrived(host: string, { hello }: Connected): void {
    this.#noteHost(host, 'online', `connected; version ${hello.version}, kernel ${hello.kernel}`);
  }

  /** A host's agent is gone. */
  left(host: string): void {
    const ports = this.#world.portsOfHost.size(host);
    this.#noteHost(host, 'offline', `not connected any more; ${ports} ${ports === 1 ? 'port is' : 'ports are'} there`);
  }

  /** An agent that calls itself so was refused. */
  refused(name: string, { code, detail }: Pick<Problem, 'code' | 'detail'>): void {
    const host = this.#world.find('host', '-', name);
    if (host) this.#note(host, 'refused', { code, text: detail });
  }

  /** A host tells of a port that is wired there. */
  reported(host: string, { id, condition, code, message, device }: PortWord): void {
    const port = this.#world.port.get(id);
    const { name = host } = this.#world.host.get(host)?.record ?? {};
    if (!port) return;
    const said = this.#said.get(id) ?? new Map<string, string>();
    const word = JSON.stringify([condition, code, message]);
    if (said.get(host) === word) return;
    this.#said.set(id, said.set(host, word));
    const why = { host: name, ...(code !== undefined && { code }) };
    if (condition === 'up')
      this.#note(port, 'wired', {
        ...why,
        text: [`up on ${name}, ${device ?? 'device'}`, message].filter(Boolean).join('; '),
      });
    else if (condition === 'error') this.#note(port, 'failed', { ...why, text: message ?? 'failed' });
    else this.#note(port, 'waiting', { ...why, text: message ?? 'waits' });
  }

  #place({ before, after }: WorldChange<'port'>, revision: bigint): void {
    const [from, to] = [before?.record.host, after?.record.host];
    if (from === to || !after) return;
    const [was, is] = [from, to].map((id) => id && (this.#world.host.get(id)?.record.name ?? id));
    if (from) this.#said.get(after.record.id)?.delete(from);
    if (!from) this.#note(after, 'bound', { revision, host: is!, text: `bound to ${is}` });
    else if (!to) this.#note(after, 'unbound', { revision, host: was!, text: `no longer on ${was}` });
    else this.#note(after, 'moved', { revision, host: is!, text: `moved from ${was} to ${is}` });
  }

  #updated(before: Stored, after: Stored, revision: bigint): void {
    const [was, is] = [before, after].map(({ record }) => record as unknown as Record<string, unknown>);
    // Two hosts that change places are one move.
    const moves = was!.host !== is!.host;
    const isToldOf = (field: string) =>
      after.kind === 'port' && (placeFields.has(field) || (moves && field === 'standby'));
    const fields = Object.keys({ ...was, ...is }).filter(
      (field) => !isDeepStrictEqual(was![field], is![field]) && !isToldOf(field),
    );
    if (fields.length > 0) this.#note(after, 'updated', { revision, fields, text: `${fields.join(', ')} written` });
  }

  #noteHost(id: string, type: EventType, text: string): void {
    const host = this.#world.host.get(id);
    // One that is deleted has said so.
    if (host) this.#note(host, type, { text });
  }

  #note(
    { kind, record }: Stored<Kind>,
    type: EventType,
    { revision, text, ...about }: Pick<Noted, 'host' | 'code' | 'fields' | 'text'> & { revision?: bigint },
  ): void {
    this.#events.note({
      type,
      kind,
      object: record.id,
      name: record.name,
      ...this.#tenantOf(kind, record),
      ...about,
      ...(revision !== undefined && { revision: String(revision) }),
      text: text.slice(0, 500),
    });
  }

  #tenantOf(kind: Kind, record: AnyRecord): Pick<Noted, 'tenant' | 'tenantName'> {
    if (kind === 'tenant') return { tenant: record.id, tenantName: record.name };
    if (!('tenant' in record)) return {};
    const { tenant } = record as PortRecord;
    const name = this.#world.tenant.get(tenant)?.record.name;
    return { tenant, ...(name !== undefined && { tenantName: name }) };
  }
}

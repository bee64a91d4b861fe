/** A port that comes to a second host: which one may, and how. */
import type { Client } from '../client/client.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { Port } from '../model/kinds.ts';
import type { AttachRequest } from '../model/local-api.ts';

/** So long the second host waits for all others to take frames of the port from it. */
const joinMs = 2_000;

/** The port is another host's, whose guest is about to come here. */
export const isStandby = (request: AttachRequest): boolean => request.kind === 'tap' && request.standby === true;

/** A standby has another host to stand by for, and is the only one. `self`: this host's id. @throws INVALID */
export function refuseStandby({ name, host, standby }: Port, self: string | undefined): void {
  const refuse = (problem: string) => {
    throw new HeddleError('INVALID', { field: 'standby', problem: `port ${name} ${problem}` });
  };
  if (host === undefined) refuse('is on no host: attach it without');
  if (host === self) refuse('is on this host already: attach it without');
  if (standby !== undefined && standby !== self)
    refuse(
      `has a standby on another host: detach it there first; if nothing is left there, heddle port update ${name} --standby none`,
    );
}

/** Two hosts serve a segment, not more. `self`: this host's id. @throws INVALID if there are two, or it is none */
export function refuseThird({ name, segment, host, standby }: Port, self: string | undefined): void {
  const bad = (problem: string) => new HeddleError('INVALID', { field: 'port', problem });
  if (!segment) throw bad(`port ${name} is no segment: name another, or one that is not there yet`);
  if (host !== undefined && standby !== undefined && host !== self && standby !== self)
    throw bad(`two hosts serve ${name} already: detach it on one of them first`);
}

/**
 * Makes this host the standby of a port as it was found. Its guest may come as soon as this resolves: all hosts let it speak
 * from here then, unless one keeps them waiting. What others change of the port meanwhile does not matter, unless it is where
 * that is.
 * @throws REVISION_CONFLICT if it is, SEGMENT_UNAWARE, and what the controller refuses
 */
export async function joinPort(
  client: Pick<Client, 'update' | 'get'>,
  found: Port,
  { tenant, self }: { tenant: string; self: string },
): Promise<Port> {
  const now = () => client.get('port', found.id, { tenant });
  const join = ({ revision: ifRevision }: Port) =>
    client.update('port', found.id, { standby: self }, { tenant, ifRevision, waitMs: joinMs });
  try {
    return await join(found).catch(async (e: unknown) => {
      if (!hasCode(e, 'REVISION_CONFLICT')) throw e;
      const changed = await now();
      if (changed.host !== found.host || changed.standby !== found.standby) throw e;
      return join(changed);
    });
  } catch (e) {
    if (!hasCode(e, 'WAIT_TIMEOUT')) throw e;
    if (found.segment) await refuseUnaware(client, found, e.details.hosts);
    return now();
  }
}

/**
 * One that serves a segment alone forwards until it hears of the other, even without an agent: both would. `late`: names of
 * hosts that have not heard.
 * @throws SEGMENT_UNAWARE
 */
async function refuseUnaware(
  client: Pick<Client, 'get'>,
  { name, host: id }: Port,
  late: readonly string[],
): Promise<void> {
  if (id === undefined) return;
  const { name: host } = await client.get('host', id);
  if (late.includes(host)) throw new HeddleError('SEGMENT_UNAWARE', { segment: name, host });
}

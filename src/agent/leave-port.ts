import type { Client } from '../client/client.ts';
import { hasCode } from '../model/errors.ts';
import type { HostId, PortId } from '../model/ids.ts';

/** So long a host that will pass nothing on any more waits for others to hear that the port is not there, milliseconds. */
const relayMs = 1_000;

/** Whose attachment it was. */
export interface Leaving {
  readonly tenant: string;
  /** The port was made for its attachments. */
  readonly owned: boolean;
  /** This host's id. */
  readonly host: HostId;
}

/**
 * Takes this host out of a port's bindings, whatever it knew of them; the other one has it then alone. One that was made for
 * its attachments goes with the last; one that is bound elsewhere by now is not ours to free. Of one that has moved away this host
 * stays the origin: it passes on what others still send here. Of one that is back where it had come from there is none: then
 * this waits until all others know, or one of them takes too long.
 * @throws REVISION_CONFLICT if somebody moves the port just now, and what the controller answers
 */
export async function leavePort(
  client: Pick<Client, 'get' | 'update' | 'remove'>,
  port: PortId,
  { tenant, owned, host: self }: Leaving,
): Promise<void> {
  const { host, standby, origin, revision } = await client.get('port', port, { tenant });
  if (host !== self && standby !== self) return;
  const scope = { tenant, ifRevision: revision };
  if (standby === self) {
    const stays = { standby: self };
    const known =
      origin === self
        ? revision
        : await allKnow(() => client.update('port', port, stays, { ...scope, waitMs: relayMs }));
    // The guest may have been moved to and fro meanwhile: then the other one is the standby.
    await client.update('port', port, { standby: null }, { tenant, ifRevision: known });
  } else if (standby === undefined && owned) await client.remove('port', port, scope);
  else await client.update('port', port, { host: null }, scope);
}

/** By a write that changes nothing, and is waited for. Returns its revision. */
async function allKnow(write: () => Promise<{ readonly revision: string }>): Promise<string> {
  try {
    return (await write()).revision;
  } catch (e) {
    if (!hasCode(e, 'WAIT_TIMEOUT')) throw e;
    return e.details.revision;
  }
}

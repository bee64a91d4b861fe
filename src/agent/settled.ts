import { HeddleError } from '../model/errors.ts';
import type { PortId } from '../model/ids.ts';
import type { Settled } from './conditions.ts';
import type { Reconciler } from './reconciler.ts';
import type { ThisHost } from './this-host.ts';

/** So long an attach waits for the controller's stream and the kernel before it undoes itself. */
const settleMs = 10_000;

/** The port's device when it is up. @throws what keeps the port from being up; WAIT_TIMEOUT if that much time does not tell */
export async function settled(
  reconciler: Reconciler,
  port: PortId,
  thisHost: ThisHost,
  revision = reconciler.revision,
): Promise<Settled> {
  const signal = AbortSignal.timeout(settleMs);
  try {
    return await reconciler.settled(port, signal);
  } catch (cause) {
    if (!signal.aborted || cause !== signal.reason) throw cause;
    throw new HeddleError('WAIT_TIMEOUT', { revision, hosts: [thisHost.name] }, cause);
  }
}

import { HeddleError } from '../model/errors.ts';
import { pinned } from '../trust/bundle.ts';
import { newStrangersAgent } from './tls.ts';
import { type Address, readJson, send } from './transport.ts';

/**
 * The certificates of the authority that a controller shows, as PEM, if they are those that the pin is of. Whoever answers is not
 * known before; the pin is what makes it known.
 * @throws CA_MISMATCH, CONTROLLER_UNREACHABLE, INVALID
 */
export const fetchAuthority = async (address: Address, pin: string, signal?: AbortSignal): Promise<string> =>
  pinned(await shownAuthority(address, signal), pin);

/** The same of whoever answers: nobody knows who that is. @throws CONTROLLER_UNREACHABLE, INVALID */
export async function shownAuthority(address: Address, signal?: AbortSignal): Promise<string> {
  const unreachable = (problem: string, cause: unknown) =>
    new HeddleError('CONTROLLER_UNREACHABLE', { address, problem }, cause);
  const agent = newStrangersAgent();
  try {
    const answer = await send({ address, agent }, 'GET', '/v1/ca', { signal }, unreachable);
    const { ca } = (await readJson(answer)) as { ca?: unknown };
    if (typeof ca !== 'string') throw new HeddleError('INVALID', { field: 'ca', problem: 'the answer has none' });
    return ca;
  } finally {
    agent.destroy();
  }
}

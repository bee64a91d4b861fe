/**
 * What is done at a step of a libvirt guest's life: its ports are attached before it starts or comes from another host, and
 * detached when it is gone.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { LocalClient } from '../client/local.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { Attached, Attachment, AttachmentList, AttachRequest } from '../model/local-api.ts';
import type { DomainPort } from './domain.ts';

/** What a hook works with. */
export interface HookParts {
  readonly agent: LocalClient;
  /** Some program has this tap of the host open. */
  readonly isOpen: (tap: string) => boolean;
}

/** So long each request of a guest's start or end waits for an agent that is being restarted. */
const agentMs = 3_000;

/**
 * Attaches the ports of a guest that is about to start. If one cannot be had, libvirt releases the guest, and so the others.
 * @throws INVALID if the guest's MAC is not the port's, or another guest has the tap; AGENT_UNREACHABLE, and what the agent refuses
 */
export async function prepareGuest(parts: HookParts, ports: readonly DomainPort[]): Promise<void> {
  requireFree(parts, ports);
  const agent = patient(parts.agent);
  for (const port of ports) requireMac(port, await attach(agent, port));
}

/**
 * Has the ports of a guest that is about to come from another host stand by here. libvirt then prepares it as one that
 * starts, which finds its ports attached, and releases it if it does not come; it does not if this fails, which leaves
 * nothing.
 * @throws as prepareGuest, and INVALID if a port is on no host
 */
export async function awaitGuest(parts: HookParts, ports: readonly DomainPort[]): Promise<void> {
  requireFree(parts, ports);
  const agent = patient(parts.agent);
  try {
    for (const port of ports) requireMac(port, await ask(agent, { ...placed(port), standby: true }));
  } catch (cause) {
    await releaseGuest(parts, ports);
    throw cause;
  }
}

/**
 * Detaches the ports of a guest that has ended, if they are on its taps; those that are detached already stay so. A tap that is open is another
 * guest's, of which this one, that could not start, is a copy.
 */
export async function releaseGuest(
  { agent: maybeAway, isOpen }: HookParts,
  ports: readonly DomainPort[],
): Promise<void> {
  const agent = patient(maybeAway);
  const { items } = (await agent.request('GET', '/v1/attachments')) as AttachmentList;
  const gone = ports.filter(({ tap }) => !isOpen(tap));
  for (const item of items)
    if (item.state !== 'detaching' && gone.some((port) => isOf(item, port)))
      await agent.request('DELETE', `/v1/attachments/${item.port}`).catch(isGone);
}

/** It was detached meanwhile, perhaps at our own first asking. */
function isGone(e: unknown): void {
  if (!hasCode(e, 'NOT_FOUND')) throw e;
}

/** It is the port that the domain names: another's may have come to a tap of that name meanwhile. */
const isOf = (item: Attachment, { tap, tenant, port }: DomainPort): boolean =>
  item.kind === 'tap' && item.ifname === tap && item.tenant === tenant && (item.name === port || item.port === port);

/** A port that exists says itself what its MAC and addresses are; of one that is made, the domain does. */
async function attach(agent: LocalClient, port: DomainPort): Promise<Attached> {
  const { address, mac } = port;
  try {
    return await ask(agent, { ...placed(port), mac, ...(address.length > 0 && { addresses: [...address] }) });
  } catch (e) {
    if (!hasCode(e, 'INVALID') || e.details.field !== 'port') throw e;
    return ask(agent, placed(port));
  }
}

const ask = async (agent: LocalClient, body: AttachRequest): Promise<Attached> =>
  (await agent.request('POST', '/v1/attachments', { body })) as Attached;

const placed = ({ tap: ifname, tenant, network, port, queues }: DomainPort) =>
  ({ kind: 'tap', tenant, network, port, ifname, ...(queues > 1 && { queues }) }) as const;

function requireFree({ isOpen }: HookParts, ports: readonly DomainPort[]): void {
  for (const { tap } of ports) if (isOpen(tap)) throw invalid('tap', `another program has ${tap} open`);
}

function requireMac({ tap, mac }: DomainPort, { port }: Attached): void {
  if (port.mac !== mac)
    throw invalid(
      'mac',
      `interface ${tap} has MAC ${mac}, port ${port.name} has ${port.mac}: write that into the domain`,
    );
}

const invalid = (field: string, problem: string): HeddleError => new HeddleError('INVALID', { field, problem });

/** Whether a tap of this network namespace is open: it has a carrier then alone. */
export function tapIsOpen(tap: string): boolean {
  try {
    return readFileSync(`/sys/class/net/${tap}/carrier`, 'utf8').trim() === '1';
  } catch (e) {
    // It is not there, or set down (EINVAL).
    if (['ENOENT', 'EINVAL'].includes((e as NodeJS.ErrnoException).code ?? '')) return false;
    throw e;
  }
}

/** Asks again while there is no agent; what is asked for here may be asked for twice. */
const patient = (agent: LocalClient): LocalClient => ({
  async request(...asked) {
    const end = performance.now() + agentMs;
    for (;;) {
      try {
        return await agent.request(...asked);
      } catch (e) {
        if (!hasCode(e, 'AGENT_UNREACHABLE') || performance.now() > end) throw e;
        await delay(200);
      }
    }
  },
});

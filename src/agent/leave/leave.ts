import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Client } from '../../client/client.ts';
import type { Gateways } from '../../gateway/gateways.ts';
import type { Netlink } from '../../kernel/netlink.ts';
import { HeddleError, hasCode } from '../../model/errors.ts';
import type { LeavePlan, LeaveRequest, Left } from '../../model/leave.ts';
import type { Attachments } from '../attachments.ts';
import type { NetworkUsers } from '../network-users.ts';
import type { Reconciler } from '../reconciler.ts';
import type { ThisHost } from '../this-host.ts';
import type { WorkloadDevices } from '../workload-devices.ts';
import { dockerNetworks, named, obstacles } from './obstacles.ts';
import { sweepFiles, sweepLinks, sweepPins } from './sweep.ts';

/** So long the controller may take to find that this host's stream has ended. */
const offlineMs = 15_000;
const againMs = 100;
/** Where the guide has people put it. */
const libvirtHook = '/etc/libvirt/hooks/qemu.d/heddle';

/** What leaves, and what does it. */
export interface LeaveParts {
  readonly thisHost: ThisHost;
  readonly controller: string;
  readonly client: Client;
  readonly connected: () => boolean;
  /** The controller has this host no more. */
  readonly gone: () => boolean;
  readonly attachments: Attachments;
  readonly users: NetworkUsers;
  readonly reconciler: Reconciler;
  readonly devices: WorkloadDevices;
  readonly gateways: Gateways;
  readonly nl: Netlink;
  readonly stateDir: string;
  readonly bpfDir: string;
  /** Folder of the gateways' namespaces. */
  readonly netnsDir: string;
  /** Ends the workload integrations of this process. */
  readonly integrations: () => Promise<void>;
  /** Ends all else of the agent that acts by itself, so that nothing comes back. */
  readonly services: () => Promise<void>;
  /** The process may end; with a cause: in the middle, so that another one begins anew. */
  readonly onEnd: (cause?: unknown) => void;
  readonly log: Logger;
}

/**
 * A server leaves Heddle. Each step finds by itself what is there, so that one that was cut off is simply begun again: by
 * the same request to the agent that is started next.
 *
 * What is wired goes first, by the ways by which it goes at any time; then nothing of the agent acts any more, the host goes
 * at the controller with all that it still has there, and last what carried it: gateways, programs, maps, files.
 */
export class Leave {
  readonly #parts: LeaveParts;
  #running: Promise<Left> | undefined;
  #step: string | undefined;

  constructor(parts: LeaveParts) {
    this.#parts = parts;
  }

  /** It has begun: nothing new is attached. */
  get begun(): boolean {
    return this.#running !== undefined;
  }

  get plan(): LeavePlan {
    const { thisHost, attachments } = this.#parts;
    const attached = attachments.all().filter((a) => a.state !== 'detaching');
    const step = this.#step === undefined ? {} : { step: this.#step };
    return { host: thisHost.name, attached: attached.map(named), inTheWay: this.#inTheWay(), ...step };
  }

  /** Asked again it answers the same. @throws LEAVE_BLOCKED before anything is touched; KERNEL and the like in the middle */
  run({ force }: LeaveRequest): Promise<Left> {
    if (this.#running) return this.#running;
    const problems = force ? [] : this.#inTheWay();
    if (problems.length > 0) throw new HeddleError('LEAVE_BLOCKED', { host: this.#parts.thisHost.name, problems });
    this.#running = this.#leave();
    return this.#running;
  }

  /** Nobody waits for the answer any more: the agent ends when it has left. */
  answered(): void {
    const { onEnd } = this.#parts;
    this.#running?.then(() => onEnd(), onEnd);
  }

  #inTheWay(): string[] {
    const { attachments, devices, connected, gone, controller } = this.#parts;
    return obstacles({
      attachments: attachments.all(),
      users: this.#users(),
      isOpen: ({ port }) => devices.all.get(port)?.open === true,
      told: connected() || gone(),
      controller,
    });
  }

  /** By the names that people know, where they are known. */
  #users(): { tenant: string; name: string }[] {
    const { networks } = this.#parts.reconciler.state;
    return this.#parts.users.all().map(({ id, tenant, network }) => networks.get(id) ?? { tenant, name: network });
  }

  async #leave(): Promise<Left> {
    const { integrations, services, gateways, nl, attachments, bpfDir, stateDir, netnsDir } = this.#parts;
    const host = this.#parts.thisHost.name;
    const others = dockerNetworks(this.#users());
    if (existsSync(libvirtHook)) others.push(`libvirt’s hook ${libvirtHook}: remove it`);
    this.#begin('Docker’s driver ends');
    await integrations();
    this.#begin('workloads are detached');
    await this.#detachAll();
    this.#begin('the agent’s services end');
    await services();
    this.#begin('the controller is told');
    const stays = await this.#deleteHost();
    this.#begin('gateways and their rules go');
    stays.push(...(await gateways.removeAll()));
    this.#begin('programs, maps and files go');
    sweepLinks(nl, attachments.all());
    this.#parts.devices.leaveAllServers();
    sweepPins(bpfDir);
    sweepFiles(stateDir, netnsDir);
    this.#begin('nothing is left');
    return { host, stays: [...stays, ...others] };
  }

  #begin(step: string): void {
    this.#step = step;
    this.#parts.log.info({ step }, 'leaving');
  }

  /** In the kernel; on the records, which a process that is killed now leaves to the next one. */
  async #detachAll(): Promise<void> {
    const { attachments, reconciler, devices } = this.#parts;
    for (const attachment of attachments.all()) {
      const { port, name } = attachment;
      attachments.put({ ...attachment, state: 'detaching' });
      reconciler.abandon(port, new HeddleError('DETACHED', { port: name }));
      reconciler.touchPort(port);
    }
    reconciler.pass();
    await devices.leaving;
  }

  /** As `heddle host delete --gone`: with ports and leases, in one write. What stays there, in words. */
  async #deleteHost(): Promise<string[]> {
    const { client, thisHost, log, controller } = this.#parts;
    const until = Date.now() + offlineMs;
    for (;;)
      try {
        await client.remove('host', thisHost.ref, { gone: true });
        return [];
      } catch (cause) {
        if (hasCode(cause, 'NOT_FOUND') || hasCode(cause, 'HOST_GONE')) return [];
        // It has not heard yet that the stream has ended.
        if (hasCode(cause, 'HOST_ONLINE') && Date.now() < until) await delay(againMs);
        else {
          log.warn({ err: cause }, 'the host could not be deleted at the controller');
          const why = (cause as Error).message;
          return [
            `host ${thisHost.name} at the controller ${controller}, with its ports and leases (${why}): there, heddle host delete ${thisHost.name} --gone`,
          ];
        }
      }
  }
}

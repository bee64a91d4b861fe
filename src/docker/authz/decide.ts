/** Whether a tenant's user may do a deed: what it touches is looked up as the engine will look it up, and must be of its tenants. */
import { HeddleError } from '../../model/errors.ts';
import type { EngineContainer, EngineNetwork } from '../engine-api.ts';
import type { Deed } from './deed.ts';
import { requireTame } from './host-config.ts';
import { isIdLike } from './id-like.ts';

/** What the engine has, as of now. */
export interface View {
  networks(): Promise<readonly Pick<EngineNetwork, 'Id' | 'Name'>[]>;
  /** By what the engine finds one: its id, name, or the beginning of its id. */
  container(term: string): Promise<EngineContainer | undefined>;
  /** The id of the container of an exec. */
  containerOfExec(id: string): Promise<string | undefined>;
  /** The tenant of a Docker network of ours, by Docker's id. */
  tenantOf(network: string): string | undefined;
}

/** What the engine calls networks that are not found by name. */
const special: ReadonlySet<string> = new Set(['', 'default', 'bridge', 'host', 'none', 'nat', 'container']);
/** A container that shares the network of one that shares another's. */
const sharesMax = 3;

/** @throws NOT_FOUND for what is not of its tenants, whether it is there or not; TENANT_FORBIDDEN, NAME_TAKEN, INVALID */
export async function requireOwn(deed: Deed, tenants: readonly string[], view: View): Promise<void> {
  const of = new Own(tenants, view);
  for (const tenant of deed.makes?.tenants ?? [])
    if (!tenants.includes(tenant)) throw new HeddleError('TENANT_FORBIDDEN', { tenant: tenant.slice(0, 80), tenants });
  for (const { name, tenant } of deed.volumes ?? [])
    if (tenant === undefined || !tenants.includes(tenant))
      throw new HeddleError('INVALID', {
        field: `volume ${name.slice(0, 80) || '""'}`,
        problem: `must begin with a tenant of yours and a dot, such as ${tenants[0] ?? 'tenant'}.data`,
      });
  if (deed.makes) await of.requireFree(deed.makes.name);
  for (const term of deed.networks ?? []) await of.network(term);
  for (const term of deed.containers ?? []) await of.container(term);
  if (deed.exec !== undefined) await of.exec(deed.exec);
}

/**
 * An engine looks for a name first, and then for the beginning of an id: were a name taken for either, whoever has it could have
 * one judged and, by its removal, another meant. What reads as an id counts as one alone, and else a name.
 */
const isMeant = (term: string, { Id, Name }: EngineContainer): boolean =>
  isIdLike(term) ? Id.startsWith(term) : Name === `/${term.replace(/^\//, '')}`;

class Own {
  readonly #tenants: readonly string[];
  readonly #view: View;
  #networks: ReturnType<View['networks']> | undefined;

  constructor(tenants: readonly string[], view: View) {
    this.#tenants = tenants;
    this.#view = view;
  }

  #all(): ReturnType<View['networks']> {
    this.#networks ??= this.#view.networks();
    return this.#networks;
  }

  /** Two of one name, and nobody would know which is meant. @throws NAME_TAKEN */
  async requireFree(name: string): Promise<void> {
    const taken = special.has(name) || (await this.#all()).some((n) => n.Name === name);
    if (taken) throw new HeddleError('NAME_TAKEN', { kind: 'Docker network', name: name.slice(0, 80) });
  }

  /** Each that may be meant is to be its own: which one an engine takes, differs between versions. */
  async network(term: string): Promise<void> {
    const all = await this.#all();
    const exact = all.filter((n) => n.Id === term);
    const meant = exact.length > 0 ? exact : all.filter((n) => n.Name === term || n.Id.startsWith(term));
    const isOwn = ({ Id }: { Id: string }) => this.#tenants.includes(this.#view.tenantOf(Id) ?? '');
    if (special.has(term) || meant.length === 0 || !meant.every(isOwn))
      throw new HeddleError('NOT_FOUND', { kind: 'network of yours called', name: term.slice(0, 80) || '""' });
  }

  /**
   * One that is on its networks, on at least one and on no other, and that has nothing of the host which it could not have
   * asked for itself: whoever is in such a container has it too.
   */
  async container(term: string, shares = 0): Promise<void> {
    const found = /^\/?[A-Za-z0-9][\w.-]*$/.test(term) ? await this.#view.container(term) : undefined;
    const missing = new HeddleError('NOT_FOUND', { kind: 'container of yours called', name: term.slice(0, 80) });
    if (!found || shares > sharesMax || !isMeant(term, found)) throw missing;
    try {
      requireTame(found.HostConfig, 'found');
      const other = /^container:(.*)$/s.exec(String(found.HostConfig?.NetworkMode ?? ''))?.[1];
      if (other !== undefined) return await this.container(other, shares + 1);
      const networks = Object.entries(found.NetworkSettings.Networks ?? {});
      if (networks.length === 0) throw missing;
      // One that has not been started is on a network by its name alone.
      for (const [name, { NetworkID }] of networks) await this.network(NetworkID === '' ? name : NetworkID);
      for (const [name] of networks) if (special.has(name)) throw missing;
    } catch (e) {
      // What there is of others is nobody else's to know.
      throw e instanceof HeddleError && ['INVALID', 'NOT_FOUND'].includes(e.code) ? missing : e;
    }
  }

  async exec(id: string): Promise<void> {
    const container = /^[0-9a-f]{64}$/.test(id) ? await this.#view.containerOfExec(id) : undefined;
    if (container === undefined) throw new HeddleError('NOT_FOUND', { kind: 'exec of yours', name: id.slice(0, 80) });
    await this.container(container);
  }
}

/**
 * Who may what: pure, from a principal and the grants of the world. One table says what each role may; everything that
 * admits, refuses or hides asks it.
 */
import { whoText } from '../model/audit.ts';
import { HeddleError } from '../model/errors.ts';
import type { Role } from '../model/grant.ts';
import { everyTenant, type Kind } from '../model/kinds.ts';
import { type Principal, subjectsOf } from './principal.ts';
import type { World } from './world.ts';

/** What rights are about: the objects of a kind, or what is no object. */
export type Subject = Kind | 'quota' | 'condition' | 'metrics' | 'trust' | 'audit';
export type Verb = 'read' | 'write';
/** `glance`: that it is there, and what all must know of it. `own`: reads all, and writes what is its own. */
type Level = 'glance' | 'read' | 'own' | 'write';
type Levels = Readonly<Partial<Record<Subject, Level>>>;

/** Every host, and what it is besides in a tenant that it was given: as one that has a role there. */
type Office = Role | 'host' | 'host-given';

const inTenant = (level: Level) =>
  ({ network: level, subnet: level, port: level, address: level, lease: level, router: level }) as const;
/** Whoever has a role in some tenant names hosts when ports are bound, and reaches what is published at their addresses. */
const ofAll = { host: 'glance', condition: 'glance' } as const;

/**
 * The table: what a role may in the installation, and in a tenant: of a tenant's role in that one, of a role of the
 * installation in each. What is not named, it may not even see.
 */
const rights: Readonly<Record<Office, { readonly installation: Levels; readonly tenant: Levels }>> = {
  admin: {
    installation: {
      ...{ tenant: 'write', host: 'write', grant: 'write' },
      ...{ condition: 'read', metrics: 'read', trust: 'write', audit: 'read' },
    },
    tenant: { ...inTenant('write'), tenant: 'write', grant: 'write', quota: 'write', audit: 'read' },
  },
  operator: {
    installation: { host: 'write', condition: 'read', metrics: 'read', trust: 'write' },
    tenant: { tenant: 'read', quota: 'read' },
  },
  'tenant-admin': {
    installation: ofAll,
    tenant: { ...inTenant('write'), tenant: 'read', grant: 'write', quota: 'read', audit: 'read' },
  },
  'tenant-editor': { installation: ofAll, tenant: { ...inTenant('write'), tenant: 'read', quota: 'read' } },
  viewer: { installation: ofAll, tenant: { ...inTenant('read'), tenant: 'read', quota: 'read' } },
  host: { installation: { host: 'glance' }, tenant: {} },
  'host-given': {
    installation: {},
    tenant: {
      ...{ tenant: 'read', network: 'own', subnet: 'own', port: 'own', lease: 'own', address: 'own' },
      router: 'read',
    },
  },
};

const order: readonly Level[] = ['glance', 'read', 'own', 'write'];

/** What one principal may, as of a moment. Every answer is a look-up or two. */
export class Access {
  /** Undefined: nobody knows who asks. */
  readonly principal: Principal | undefined;
  /** In the installation, and so in each tenant. */
  readonly #everywhere: readonly Office[];
  /** By tenant's id. */
  readonly #in: ReadonlyMap<string, readonly Office[]>;
  readonly #readOnly: boolean;

  constructor(
    principal: Principal | undefined,
    everywhere: readonly Office[] = [],
    within: ReadonlyMap<string, readonly Office[]> = new Map(),
    readOnly = false,
  ) {
    this.principal = principal;
    this.#everywhere = everywhere;
    this.#in = within;
    this.#readOnly = readOnly;
  }

  /** Nothing is hidden from it. */
  get readsAll(): boolean {
    return this.#everywhere.includes('admin');
  }
  /** Nothing is refused to it for who it is. */
  get mayAll(): boolean {
    return this.readsAll && !this.#readOnly;
  }
  /** Somebody gave it something to do here, wherever. */
  get hasRole(): boolean {
    return this.#everywhere.length > 0 || [...this.#in.values()].some((offices) => offices.length > 0);
  }
  /** The host that it is, if it is one. */
  get host(): string | undefined {
    return this.principal?.kind === 'host' ? this.principal.host : undefined;
  }

  /** In a tenant (its id), or the installation ('-'). */
  levelIn(subject: Subject, scope: string): Level | undefined {
    const levels =
      scope === '-'
        ? [...this.#everywhere, ...[...this.#in.values()].flat()].map((office) => rights[office].installation[subject])
        : [...this.#everywhere, ...(this.#in.get(scope) ?? [])].map((office) => rights[office].tenant[subject]);
    return order.findLast((level) => levels.includes(level));
  }

  may(verb: Verb, subject: Subject, scope: string): boolean {
    const level = this.levelIn(subject, scope);
    if (verb === 'read') return level !== undefined && level !== 'glance';
    return !this.#readOnly && (level === 'own' || level === 'write');
  }

  /** Knows that a tenant is there. */
  sees(tenant: string): boolean {
    return this.may('read', 'tenant', tenant);
  }

  /** Reads an object, by its key. */
  reads(kind: Kind, scope: string, id: string): boolean {
    if (kind === 'tenant') return this.sees(id);
    return this.may('read', kind, scope) || (kind === 'host' && id === this.host);
  }
}

/** What a principal may now. */
export function accessOf(
  world: Pick<World, 'grant' | 'grantsOfSubject' | 'host'>,
  principal: Principal | undefined,
): Access {
  if (!principal) return new Access(undefined);
  if (principal.kind === 'local') return new Access(principal, ['admin']);
  if (principal.kind === 'host') {
    const { tenants: given = [], revoked = true } = world.host.get(principal.host)?.record ?? {};
    if (revoked) return new Access(undefined);
    if (given.includes(everyTenant)) return new Access(principal, ['host', 'host-given']);
    return new Access(principal, ['host'], new Map(given.map((tenant) => [tenant, ['host-given']])));
  }
  const { everywhere, within } = officesOf(world, subjectsOf(principal));
  const { tenants, readOnly = false } = principal.scope ?? {};
  if (!tenants) return new Access(principal, everywhere, within, readOnly);
  // Of a token for some tenants, the rest of what its user may is as if there were none.
  const admin: readonly Office[] = everywhere.includes('admin') ? ['tenant-admin'] : [];
  const narrowed = tenants.map((tenant) => [tenant, [...admin, ...(within.get(tenant) ?? [])]] as const);
  return new Access(principal, [], new Map(narrowed), readOnly);
}

function officesOf(world: Pick<World, 'grant' | 'grantsOfSubject'>, subjects: readonly string[]) {
  const everywhere: Office[] = [];
  const within = new Map<string, Office[]>();
  for (const subject of subjects)
    for (const id of world.grantsOfSubject.of(subject)) {
      const { tenant, role } = world.grant.get(id)!.record;
      if (tenant === undefined) everywhere.push(role);
      else within.set(tenant, [...(within.get(tenant) ?? []), role]);
    }
  return { everywhere, within };
}

/** The id of a tenant that a principal sees. @throws NOT_FOUND for any other, as if there were none */
export function seenTenant(world: Pick<World, 'find'>, access: Access, nameOrId: string): string {
  const id = world.find('tenant', '-', nameOrId)?.record.id;
  if (id === undefined || !access.sees(id))
    throw new HeddleError('NOT_FOUND', { kind: 'tenant', name: nameOrId.slice(0, 80) });
  return id;
}

/** Whether it reads what is in a tenant; of '-': whether nothing is hidden from it. */
export const readsIn =
  (access: Access) =>
  (tenant: string): boolean =>
    tenant === '-' ? access.readsAll : access.may('read', 'router', tenant);

/** Of what it may see, and not do. */
export const forbidden = ({ principal }: Access, verb: string, what: string, tenant?: string) =>
  new HeddleError('FORBIDDEN', {
    who: principal ? whoText(principal) : 'nobody',
    verb,
    what,
    ...(tenant !== undefined && { tenant }),
  });

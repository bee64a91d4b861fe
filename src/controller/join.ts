import { HeddleError } from '../model/errors.ts';
import { parseName } from '../model/ids.ts';
import type { JoinInput } from '../model/trust.ts';
import { Draft } from './draft.ts';
import { tenantsBy } from './given-tenants.ts';
import { hostRules } from './host.ts';
import { findJoinToken } from './join-tokens.ts';
import { hostTrustKey, joinTokenKey } from './keys.ts';
import type { Stored } from './records.ts';
import { type Decision, must, type RuleContext } from './rules.ts';
import type { HostTrust } from './trust-record.ts';

/** Who asks to be a host. */
export interface Joiner extends Omit<JoinInput, 'csr' | 'vtep'> {
  readonly vtep: string;
  /** Of the key that it has shown to have: see Request. */
  readonly key: string;
}

/**
 * A host joins: its object is made, or if the token is for it, taken over; what it was before does not count any more. The use
 * of the token goes with the same write. Who has joined, and asks with the same token and key once more, has joined.
 * @throws TOKEN_INVALID, NAME_TAKEN, and what making a host may refuse
 */
export function decideJoin(ctx: RuleContext, joiner: Joiner): Decision<'host'> | Stored<'host'> {
  const { world, now } = ctx;
  const { record: token, revision } = findJoinToken(world, joiner.token, now());
  const name = nameOf(joiner, token.host);
  const have = world.find('host', '-', name);
  const { joined } = have ? world.trust.host(have.record.id).record : {};
  if (have && !have.record.revoked && joined?.token === token.id && joined.key === joiner.key) return have;
  if (token.left === 0) throw new HeddleError('TOKEN_INVALID', { problem: 'it is used up' });
  if (have && token.host === undefined)
    throw new HeddleError('NAME_TAKEN', {
      kind: 'host',
      name,
      instead: `if this is the same one: heddle host token create --name ${name}`,
    });
  const tenants = tenantsBy(world, token);
  const { record, draft } = have ? taken(ctx, have, joiner, tenants) : made(ctx, name, joiner, tenants);
  const trust = world.trust.host(record.id);
  const next: HostTrust = {
    generation: trust.record.generation + (trust.revision === 0n ? 0 : 1),
    joined: { token: token.id, key: joiner.key },
  };
  draft
    .unchanged(joinTokenKey(token.id), revision)
    .put(joinTokenKey(token.id), JSON.stringify({ ...token, left: token.left - 1 }))
    .unchanged(hostTrustKey(record.id), trust.revision)
    .put(hostTrustKey(record.id), JSON.stringify(next));
  return { record, draft, ...(have && { have }) };
}

/** What is asked for, else what the token is for, else what the machine is called. */
function nameOf({ name, hostname }: Joiner, wanted: string | undefined): string {
  if (wanted !== undefined && name !== undefined && name !== wanted)
    throw new HeddleError('TOKEN_INVALID', { problem: `it is for host ${wanted}, not ${name}` });
  const given = name ?? wanted ?? (hostname === undefined ? undefined : parseName(hostname));
  if (given === undefined) throw new HeddleError('INVALID', { field: 'name', problem: 'is required with this token' });
  return given;
}

function made(ctx: RuleContext, name: string, { vtep, mtuBytes }: Joiner, tenants: readonly string[]) {
  const input = { name, vtep, ...(mtuBytes !== undefined && { mtuBytes }), tenants: known(ctx, tenants) };
  return hostRules.create(ctx, '-', input) as Decision<'host'>;
}

/** Another machine in its place, or the same with nothing left of what it had. */
function taken(ctx: RuleContext, have: Stored<'host'>, { vtep, mtuBytes }: Joiner, tenants: readonly string[]) {
  const next = { ...hostRules.input(have.record), vtep, tenants: known(ctx, tenants) };
  const admitted = { ...have, record: { ...have.record, revoked: false } };
  return hostRules.update(ctx, admitted, mtuBytes === undefined ? next : { ...next, mtuBytes }) as Decision<'host'>;
}

/** A tenant may be gone since the token was made. */
const known = ({ world }: RuleContext, tenants: readonly string[]): string[] =>
  tenants.filter((id) => id === '*' || world.tenant.has(id));

/**
 * Shuts a host out: no certificate of it counts any more, and no other host knows it, until it joins again.
 * @throws NOT_FOUND
 */
export function decideRevocation({ world }: RuleContext, nameOrId: string): Decision<'host'> | Stored<'host'> {
  const have = must(world, 'host', '-', nameOrId);
  if (have.record.revoked) return have;
  const record = { ...have.record, revoked: true };
  const trust = world.trust.host(record.id);
  const next: HostTrust = { generation: trust.record.generation + 1 };
  const draft = new Draft()
    .update(have, record)
    .unchanged(hostTrustKey(record.id), trust.revision)
    .put(hostTrustKey(record.id), JSON.stringify(next));
  return { record, draft, have };
}

/** Prefixes under which a router's peers see subnets that it joins. */
import { overlap, type Prefix, parsePrefix } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { SubnetId } from '../model/ids.ts';
import type { Translation } from '../model/kinds.ts';
import type { RouterRecord, SubnetRecord } from './records.ts';
import { must } from './rules.ts';
import type { World } from './world.ts';

/** The prefixes under which peers see what a router joins, by subnet. */
export function visiblePrefixes(
  world: World,
  { subnets, translations }: Pick<RouterRecord, 'subnets' | 'translations'>,
): ReadonlyMap<SubnetId, Prefix> {
  const as = new Map(translations.map((t) => [t.subnet, parsePrefix(t.as)]));
  return new Map(subnets.map((id) => [id, as.get(id) ?? world.use(id).prefix]));
}

/** @throws NOT_FOUND, PREFIX_INVALID, TRANSLATION_INVALID */
export function parseTranslations(
  world: World,
  tenant: string,
  joined: readonly SubnetRecord[],
  translations: readonly Translation[],
): RouterRecord['translations'] {
  const seen = new Set<SubnetId>();
  const parsed = translations.map(({ subnet: ref, as: text }) => {
    const { record: subnet } = must(world, 'subnet', tenant, ref);
    const as = parsePrefix(text);
    const bad = (problem: string) =>
      new HeddleError('TRANSLATION_INVALID', { subnet: subnet.name, as: as.cidr, problem });
    const { prefix } = world.use(subnet.id);
    if (seen.has(subnet.id)) throw bad('the subnet is there twice');
    seen.add(subnet.id);
    if (!joined.includes(subnet)) throw bad('the router does not join the subnet');
    if (as.family !== prefix.family || as.length !== prefix.length)
      throw bad(`it must be a prefix of IPv${prefix.family} and as long as ${prefix.cidr}`);
    return { subnet: subnet.id, as: as.cidr };
  });
  refuseClash(world, joined, parsed);
  return parsed;
}

/** @throws TRANSLATION_INVALID if peers would see two subnets under one address */
function refuseClash(world: World, joined: readonly SubnetRecord[], translations: RouterRecord['translations']): void {
  const visible = visiblePrefixes(world, { subnets: joined.map(({ id }) => id), translations });
  for (const { subnet, as } of translations)
    for (const [other, prefix] of visible)
      if (other !== subnet && overlap(visible.get(subnet)!, prefix)) {
        const name = (id: SubnetId) => world.subnet.get(id)!.record.name;
        const problem = `peers see subnet ${name(other)} there, as ${prefix.cidr}`;
        throw new HeddleError('TRANSLATION_INVALID', { subnet: name(subnet), as, problem });
      }
}

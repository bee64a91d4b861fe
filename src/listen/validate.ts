import { Compile, type TSchema } from '#typebox';
import { HeddleError } from '../model/errors.ts';
import { limits } from '../model/fields.ts';

interface Fault {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

/** @throws INVALID and the codes below */
type Check = (value: unknown) => void;

/**
 * A check of a JSON value against a schema: nothing is coerced, removed or filled in. Of objects that are told apart by their
 * `kind`, what is wrong is told of the one that it names.
 */
export function compileCheck(schema: TSchema): Check {
  const kinds = kindsOf(schema);
  if (kinds) return checkByKind(kinds);
  const check = Compile(schema);
  return (value) => {
    if (!check.Check(value)) throw refusal(check.Errors(value), value);
  };
}

/** The members of a union of objects by what they have for `kind`. */
function kindsOf(schema: TSchema): Map<unknown, TSchema> | undefined {
  const { anyOf = [] } = schema as { anyOf?: (TSchema & { properties?: { kind?: { const?: unknown } } })[] };
  const kinds = new Map(anyOf.map((member) => [member.properties?.kind?.const, member]));
  return kinds.size < 2 || kinds.has(undefined) ? undefined : kinds;
}

function checkByKind(kinds: ReadonlyMap<unknown, TSchema>): Check {
  const checks = new Map([...kinds].map(([kind, member]) => [kind, compileCheck(member)]));
  return (value) => {
    const check = checks.get((value as { kind?: unknown } | null | undefined)?.kind);
    if (!check)
      throw new HeddleError('INVALID', { field: 'kind', problem: `must be one of ${[...kinds.keys()].join(', ')}` });
    check(value);
  };
}

/** Values that are wrong in content, not in type, have codes of their own. By the field's path, digits as '#'. */
const byField: Readonly<Record<string, (text: string) => HeddleError>> = {
  name: (name) => new HeddleError('NAME_INVALID', { name: name.slice(0, 80) }),
  vni: (vni) => new HeddleError('VNI_OUT_OF_RANGE', { vni: Number(vni) }),
  mac: (mac) => new HeddleError('MAC_INVALID', { mac: mac.slice(0, 40) }),
  ...Object.fromEntries(
    ['cidr', 'routes/#/destination'].map((field) => [
      field,
      (cidr: string) =>
        new HeddleError('PREFIX_INVALID', { prefix: cidr.slice(0, 60), problem: 'it is too short or too long' }),
    ]),
  ),
  addresses: () => new HeddleError('ADDRESS_LIMIT', { limit: limits.addressesPerPort }),
  ...Object.fromEntries(
    ['addresses/#', 'gateway', 'vtep', 'routes/#/via', 'pools/#/first', 'pools/#/last'].map((field) => [
      field,
      (text: string) => new HeddleError('ADDRESS_INVALID', { address: text.slice(0, 60) }),
    ]),
  ),
};
const aboutContent = new Set(['pattern', 'minLength', 'maxLength', 'minimum', 'maximum', 'maxItems']);

function refusal(faults: readonly Fault[], value: unknown): HeddleError {
  // Of the ways in which a union does not match, the one that fits the value's type says most.
  const content = faults.find((f) => aboutContent.has(f.keyword));
  const fault = content ?? faults.find((f) => f.keyword !== 'boolean') ?? faults[0]!;
  const field = fault.instancePath.slice(1);
  const own = content && byField[field.replace(/\d+/g, '#')];
  if (own) return own(String(at(value, field)));
  const params = fault.params as { requiredProperties?: string[]; additionalProperties?: string[] };
  const inner = (name: string | undefined) => [field, name].filter(Boolean).join('/');
  if (params.requiredProperties)
    return new HeddleError('INVALID', { field: inner(params.requiredProperties[0]), problem: 'is required' });
  if (params.additionalProperties)
    return new HeddleError('INVALID', {
      field: inner(params.additionalProperties[0]?.slice(0, 80)),
      problem: 'is no field here',
    });
  return new HeddleError('INVALID', { field, problem: fault.message });
}

function at(value: unknown, path: string): unknown {
  return path.split('/').reduce<unknown>((v, name) => (v as Record<string, unknown> | undefined)?.[name], value);
}

/** Flags of the kinds' commands, derived from the schemas of the kinds table. */
import type { TSchema } from '#typebox';
import { HeddleError } from '../model/errors.ts';
import { type Kind, kinds, type Route } from '../model/kinds.ts';
import { fileForm, fileKeys, fileText } from './file-text.ts';
import { parsePublish, publishForm } from './publish-text.ts';
import { parseRoute, routeForm, routeText } from './route-text.ts';
import { parseTranslation, translationForm } from './translation-text.ts';

/** One flag and the field that it fills. */
export interface Flag {
  /** Of a field that has fields itself: "dhcp.domain". */
  readonly field: string;
  /** Long name without the dashes. */
  readonly name: string;
  /** What stands for its value in help. */
  readonly value: string;
  readonly repeatable: boolean;
  readonly required: boolean;
  /** A switch: without a value it means true. */
  readonly isSwitch: boolean;
  readonly description: string;
  /** The field's value from what was typed. @throws USAGE */
  parse(texts: readonly string[]): unknown;
}

/** Fields whose flag is not simply their name in kebab case. */
const flagNames: Readonly<Record<string, string>> = {
  mtuBytes: 'mtu',
  labels: 'label',
  addresses: 'address',
  ports: 'port',
  pools: 'pool',
  dnsNames: 'dns-name',
  sshKeys: 'ssh-key',
  subnets: 'subnet',
  routes: 'route',
  peers: 'peer',
  translations: 'translate',
  openPorts: 'open-port',
  dnsServers: 'dns-server',
  ageSeconds: 'age',
};
const kebab = (field: string): string => field.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
const usage = (problem: string) => new HeddleError('USAGE', { problem });

/** What stands for a value, where it is not the name of the flag or field. */
const placeholders: Readonly<Record<string, string>> = {
  dnsNames: 'name',
  publishFrom: 'prefix',
  standby: 'host',
  openPorts: 'protocol/port',
  origin: 'host',
  behind: 'port',
  ageSeconds: 'seconds',
  ipv6: 'stateful|slaac',
  holder: 'port',
};

/** The parts of a JSON schema that matter here. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly anyOf?: readonly Shape[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: object;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** "k=v" texts as an object. @throws USAGE */
export function parseLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw usage(`--label ${text}: write it as key=value`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function parsePool(text: string): { first: string; last: string } {
  const [first = '', last = '', ...rest] = text.split('-');
  if (!first || !last || rest.length > 0) throw usage(`--pool ${text}: write it as first-last, 10.0.0.10-10.0.0.99`);
  return { first, last };
}

function parseInteger(flag: string, text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw usage(`--${flag} ${text}: not a whole number`);
  return Number(text);
}

function parseSwitch(flag: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw usage(`--${flag} ${text}: write true or false`);
  return text === 'true';
}

type Form = Pick<Flag, 'value' | 'repeatable' | 'isSwitch' | 'parse'>;
function formOf(field: string, flag: string, shape: Shape): Form {
  const one = (value: string, parse: (text: string) => unknown): Form => ({
    value,
    repeatable: false,
    isSwitch: false,
    parse: (t) => parse(t.at(-1)!),
  });
  const many = (value: string, parse: Flag['parse']): Form => ({ value, repeatable: true, isSwitch: false, parse });
  if (shape.patternProperties) return many('key=value', parseLabels);
  if (field === 'userData') return one(fileForm('text'), (t) => fileText(flag, t));
  if (field === 'sshKeys') return many(fileForm('key'), (t) => t.flatMap((text) => fileKeys(flag, text)));
  if (field === 'publish') return many(publishForm, (t) => t.map(parsePublish));
  if (field === 'routes')
    return many(shape.items?.required?.includes('via') ? 'prefix=next-hop' : routeForm, (t) => t.map(parseRoute));
  if (field === 'translations') return many(translationForm, (t) => t.map(parseTranslation));
  if (shape.type === 'array')
    return shape.items?.type === 'object'
      ? many('first-last', (t) => t.map(parsePool))
      : many(placeholders[field] ?? flag, (t) => t);
  if (shape.type === 'boolean') return { ...one('true|false', (t) => parseSwitch(flag, t)), isSwitch: true };
  if (shape.anyOf) return one(`${placeholders[field] ?? field}|none`, (t) => (t === 'none' ? null : t));
  if (shape.type === 'integer')
    return one(flag === 'mtu' ? 'bytes' : (placeholders[field] ?? 'number'), (t) => parseInteger(flag, t));
  return one(placeholders[field] ?? field, (t) => t);
}

/** A field's flag, or those of its own fields. */
function flagsOf(field: string, schema: TSchema, required: boolean): Flag[] {
  const { properties } = schema as Shape;
  if (!properties) return [flagOf(field, schema, required)];
  return Object.entries(properties).map(([inner, s]) => ({
    ...flagOf(inner, s, false, `${field}-`),
    field: `${field}.${inner}`,
  }));
}

function flagOf(field: string, schema: TSchema, required: boolean, prefix = ''): Flag {
  const shape = schema as Shape;
  const name = `${prefix}${flagNames[field] ?? kebab(field)}`;
  const form = formOf(field, name, shape);
  const text = shape.description ?? shape.items?.description ?? shape.anyOf?.[0]?.description ?? field;
  // The table is written for the API; what is null there is typed as "none" here.
  const typed = text.replace(/\bnull\b/g, 'none');
  return { field, name, required, description: form.repeatable ? `${typed} (repeatable)` : typed, ...form };
}

/** The name is an argument; where a port has come from, only a move says. */
const notCreated: ReadonlySet<string> = new Set(['name', 'origin']);

/** Flags for a create. */
export function createFlags(kind: Kind): Flag[] {
  const { properties, required = [] } = kinds[kind].input;
  return Object.entries(properties)
    .filter(([field]) => !notCreated.has(field))
    .flatMap(([field, schema]) => flagsOf(field, schema, (required as readonly string[]).includes(field)));
}

/** Flags for an update: the mutable fields; `--name` renames. */
export function updateFlags(kind: Kind): Flag[] {
  const { input, mutable } = kinds[kind];
  const flags = mutable.flatMap((field) => flagsOf(field, input.properties[field]!, false));
  return flags.map((flag) => {
    const { field } = flag;
    if (field === 'name') return { ...flag, value: 'new-name', description: 'A new name' };
    if (flag.isSwitch) return flag;
    if (flag.repeatable && field !== 'labels')
      return {
        ...flag,
        description: `${flag.description}; none: empties it`,
        parse: (texts) => (texts.length === 1 && texts[0] === 'none' ? [] : flag.parse(texts)),
      };
    // A merge patch removes a field by null.
    const parse: Flag['parse'] = (texts) => (texts.at(-1) === 'none' ? null : flag.parse(texts));
    const optional = !flag.repeatable && !(input.required as readonly string[]).includes(field);
    return optional ? { ...flag, parse, value: flag.value.replace(/(\|none)?$/, '|none') } : flag;
  });
}

/** The body that flags say; what was not given is left out. @throws USAGE */
export function bodyOf(flags: readonly Flag[], given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const flag of flags) {
    const value = given[camel(flag.name)];
    if (value === undefined) continue;
    const parsed = flag.parse(Array.isArray(value) ? value : [String(value)]);
    const [field = '', inner] = flag.field.split('.');
    body[field] = inner === undefined ? parsed : { ...(body[field] as object), [inner]: parsed };
  }
  return body;
}

/** Commander's key of a flag. */
const camel = (name: string): string => name.replace(/-([a-z])/g, (_, c: string) => c.toUpperCase());

const shell = (text: string): string => (/^[A-Za-z0-9_./:=@,-]+$/.test(text) ? text : `'${text}'`);

/** A field's value, or one of a list's, as it is typed. */
const typed = (field: string, value: unknown): string =>
  field === 'routes' ? routeText(value as Route) : String(value);

/** The kinds table's example as a command line. */
export function exampleLine(kind: Kind): string {
  const { scope, example } = kinds[kind];
  const { name, ...rest } = example;
  const flags = createFlags(kind).flatMap((f) => {
    const value = rest[f.field];
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map((v) => `--${f.name} ${shell(typed(f.field, v))}`);
  });
  const tenant = scope === 'tenant' ? ['--tenant acme'] : [];
  return ['heddle', kind, 'create', ...(name === undefined ? [] : [String(name)]), ...tenant, ...flags].join(' ');
}

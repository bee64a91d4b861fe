/** What a port is: what a client may write of it and what it reads, and what of that an attachment may say too. */
import { type Static, Type } from '#typebox';
import { Address, Id, Labels, limits, Mac, Name, Ref, Revision, strict, system } from './fields.ts';

const dnsNames = Type.Array(
  Type.String({
    pattern: '^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$',
    maxLength: 200,
  }),
  {
    maxItems: limits.dnsNamesPerPort,
    description: 'Names under which the network’s DNS knows it besides its own; several ports may share one',
  },
);

/** One published port: traffic to the host's port goes to the workload's. */
const Publish = Type.Object(
  {
    protocol: Type.Enum(['tcp', 'udp']),
    port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'The workload’s port' }),
    hostPort: Type.Integer({ minimum: 1, maximum: 65_535 }),
    hostAddress: Type.Optional({ ...Address, description: 'Default: every address of the host' }),
  },
  strict,
);
export type Publish = Static<typeof Publish>;
const publish = Type.Array(Publish, {
  maxItems: limits.publishedPerPort,
  description: 'Ports of its host at which it is reached from outside',
});
/** What the agent tells a port's guest besides what the port is. */
export const userData = Type.String({
  maxLength: limits.userDataBytes,
  description: 'What its guest reads when it starts, a cloud-config or a script: text of at most 16 KiB',
});
export const sshKeys = Type.Array(
  Type.String({ minLength: 1, maxLength: limits.sshKeyChars, pattern: '^[^\\x00-\\x1f\\x7f]+$' }),
  { maxItems: limits.sshKeysPerPort, description: 'Public SSH keys that its guest lets its first user log in by' },
);
const ephemeral = Type.Boolean({
  description:
    'It was made for an attachment and goes with it, with its host, or with the port that it is behind; default: false',
});
/** VLAN tag of its frames; absent: they have none. */
export const vlan = Type.Integer({
  minimum: 1,
  maximum: 4094,
  description: 'VLAN tag of its frames on the device of the port that it is behind; default: untagged',
});
/** How many machines on a segment become ports by themselves. */
export const learn = Type.Integer({
  minimum: 0,
  maximum: limits.portsBehind,
  description: `Machines on the segment that become ports when they are heard; 0: none do; default: ${limits.learned}`,
});
/** When a machine that says nothing is asked whether it is there. */
export const ageSeconds = Type.Integer({
  minimum: limits.ageSecondsMin,
  maximum: limits.ageSecondsMax,
  description: `A machine that was not heard for so long is asked, and goes if it does not answer; default: ${limits.ageSeconds}`,
});
/** Whether machines on a segment get a default route by router advertisements. */
const router = Type.Boolean({
  description:
    'Machines on the segment that have an IPv6 address hear of the network’s router, its DNS and MTU; default: false, as their LAN may have its own',
});
const Segment = Type.Object({ learn, ageSeconds: Type.Optional(ageSeconds), router: Type.Optional(router) }, strict);
export type Segment = Static<typeof Segment>;

export const PortInput = Type.Object(
  {
    id: Type.Optional({ ...Id, description: 'A UUIDv7 of your own, to repeat the request safely; default: a new one' }),
    name: Type.Optional(Name),
    network: Ref('network'),
    mac: Type.Optional(Mac),
    addresses: Type.Optional(
      Type.Array(Address, {
        maxItems: limits.addressesPerPort,
        description:
          'Default: one from each family that the network has; only of a port behind a segment they may change',
      }),
    ),
    host: Type.Optional(
      Type.Union([Ref('host'), Type.Null()], {
        description: 'The host it is bound to; null: unbound. Its standby’s name: the two swap',
      }),
    ),
    standby: Type.Optional(
      Type.Union([Ref('host'), Type.Null()], {
        description: 'Another host where it is wired too, to take over from the first',
      }),
    ),
    origin: Type.Optional(
      Type.Union([Ref('host'), Type.Null()], {
        description: 'Only null: the host that it has come from passes nothing on any more',
      }),
    ),
    behind: Type.Optional({
      ...Ref('port'),
      description: 'Name or id of the port behind whose device it is; then it is bound where that one is',
    }),
    vlan: Type.Optional(vlan),
    segment: Type.Optional(
      Type.Object(
        { learn: Type.Optional(learn), ageSeconds: Type.Optional(ageSeconds), router: Type.Optional(router) },
        {
          ...strict,
          description: 'It is a physical segment: it has no address, and machines without an agent are behind it',
        },
      ),
    ),
    dnsNames: Type.Optional(dnsNames),
    publish: Type.Optional(publish),
    userData: Type.Optional(userData),
    sshKeys: Type.Optional(sshKeys),
    ephemeral: Type.Optional(ephemeral),
    labels: Type.Optional(Labels),
  },
  strict,
);
export type PortInput = Static<typeof PortInput>;

const portCondition = Type.Enum(['unbound', 'pending', 'up', 'error', 'unknown'], {
  description: 'unknown: its host is not connected',
});
const PortStatus = Type.Object(
  {
    condition: portCondition,
    code: Type.Optional(Type.String()),
    message: Type.Optional(Type.String()),
    device: Type.Optional(Type.String({ description: 'Network device on the host' })),
    revision: Type.Optional(Revision),
    standby: Type.Optional({ ...portCondition, description: 'The same at its standby, if it has one' }),
    contested: Type.Optional(
      Type.Array(Type.Object({ address: Address, mac: Mac, segment: Id }, strict), {
        description: 'Addresses of it that machines of a segment have too',
      }),
    ),
  },
  strict,
);
export type PortStatus = Static<typeof PortStatus>;

export const Port = Type.Object(
  {
    ...system,
    tenant: Id,
    name: Name,
    network: Id,
    mac: Mac,
    addresses: Type.Array(Address),
    host: Type.Optional({
      ...Id,
      description: 'Of a port behind another: where that one is; a watch tells of a move only with that one',
    }),
    standby: Type.Optional(Id),
    origin: Type.Optional({
      ...Id,
      description:
        'The host that it has come from: for an hour after the move it passes on what still comes there, and keeps the connections with the outside that began there',
    }),
    movedAt: Type.Optional(Type.String({ format: 'date-time', description: 'When it has come from there' })),
    behind: Type.Optional(Id),
    vlan: Type.Optional(vlan),
    segment: Type.Optional(Segment),
    dnsNames,
    publish,
    userData: Type.Optional(userData),
    sshKeys: Type.Optional(sshKeys),
    ephemeral,
    labels: Labels,
    status: PortStatus,
  },
  strict,
);
export type Port = Static<typeof Port>;

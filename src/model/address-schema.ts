/** An address that several ports of a network may have, and one has at a time. */
import { type Static, Type } from '#typebox';
import { Address, Id, Labels, limits, Name, Ref, strict, system } from './fields.ts';

const ports = Type.Array(Name, {
  minItems: 1,
  maxItems: limits.portsPerShared,
  uniqueItems: true,
  description: 'Names of the ports that may have it; one that is made later counts as soon as it is there',
});

export const AddressInput = Type.Object(
  {
    name: Name,
    network: Ref('network'),
    address: Type.Optional({ ...Address, description: 'Default: one from the network’s pools, IPv4 if it has any' }),
    ports,
    holder: Type.Optional(
      Type.Union([Ref('port'), Type.Null()], {
        description:
          'The port that has it now; its host’s agent says so when it hears the port announce it; null: none',
      }),
    ),
    heardMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'How long ago the holder announced it, in milliseconds: one that was heard before the present one’s last word does not get it. Default: given by hand, now',
      }),
    ),
    labels: Type.Optional(Labels),
  },
  strict,
);
export type AddressInput = Static<typeof AddressInput>;

export const SharedAddress = Type.Object(
  {
    ...system,
    tenant: Id,
    name: Name,
    network: Id,
    address: Address,
    ports,
    holder: Type.Optional(Id),
    heldAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'When its holder announced it last, or somebody gave or took it',
      }),
    ),
    labels: Labels,
  },
  strict,
);
export type SharedAddress = Static<typeof SharedAddress>;

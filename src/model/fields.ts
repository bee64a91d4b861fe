/** Fields that several kinds and requests share, and the limits of all. */
import { Type } from '#typebox';
import { namePattern } from './ids.ts';

/** Limits of the API; each is enforced at the edge and shown in OpenAPI. */
export const limits = {
  labels: 64,
  labelChars: 253,
  addressesPerPort: 16,
  addressesPerHost: 256,
  heldPerHost: 4096,
  reportedPorts: 100_000,
  troublesPerHost: 20,
  openPortsPerHost: 64,
  sharedPerPort: 8,
  sharedPerNetwork: 256,
  portsPerShared: 8,
  dnsNamesPerPort: 16,
  publishedPerPort: 128,
  portsBehind: 10_000,
  learned: 1000,
  ageSeconds: 300,
  ageSecondsMin: 10,
  ageSecondsMax: 86_400,
  contests: 16,
  publishFrom: 64,
  userDataBytes: 16_384,
  sshKeysPerPort: 16,
  sshKeyChars: 2_048,
  leaseSize: 256,
  poolsPerSubnet: 16,
  routersPerTenant: 32,
  subnetsPerRouter: 256,
  routesPerRouter: 2048,
  peersPerRouter: 16,
  bodyBytes: 1 << 20,
  pageSize: 1000,
  mtuMin: 1280,
  mtuMax: 65_485,
} as const;

/** An object's own name. */
export const Name = Type.String({
  pattern: namePattern,
  description: 'Unique within its tenant (tenants and hosts: within the installation)',
});
/** An object's id. */
export const Id = Type.String({ format: 'uuid', description: 'UUIDv7' });
/** A field that names another object. */
export const Ref = (kind: string) =>
  Type.String({ minLength: 1, maxLength: 63, description: `Name or id of a ${kind}` });
/** An object's labels. */
export const Labels = Type.Record(
  Type.String({ minLength: 1, maxLength: limits.labelChars }),
  Type.String({ maxLength: limits.labelChars }),
  { maxProperties: limits.labels, description: 'Free key=value pairs' },
);
/** One IP address as text. */
export const Address = Type.String({ minLength: 2, maxLength: 45, description: 'IPv4 or IPv6 address' });
/** One MAC address as text. */
export const Mac = Type.String({ minLength: 17, maxLength: 17, description: 'Unicast MAC address' });
/** MTU of a network. */
export const Mtu = Type.Integer({
  minimum: limits.mtuMin,
  maximum: limits.mtuMax,
  description: 'Bytes; default and upper bound: the underlay MTU less the encapsulation, per host',
});
/** A revision of the store. */
export const Revision = Type.String({
  pattern: '^[0-9]+$',
  description: 'Store revision of the last write to the object',
});

/** What the system gives every object. */
export const system = { id: Id, revision: Revision, createdAt: Type.String({ format: 'date-time' }) };
/** No field but those listed. */
export const strict = { additionalProperties: false } as const;

/**
 * The requests of Docker's plug-in protocol, version 1: what libnetwork's remote drivers send (drivers/remote/api,
 * ipams/remote/api). Fields that are not read are not checked.
 */
import { type Static, type TSchema, Type } from '#typebox';

/** Go writes an empty map, list or pointer as null. */
const OrNull = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));
const Text = Type.String({ maxLength: 4096 });
const Texts = Type.Record(Text, Text);
const Free = Type.Record(Text, Type.Unknown());
/** An id of Docker's: 64 hexadecimal digits, or 25 letters and digits from Swarm. It becomes a file's name. */
const Id = Type.String({ pattern: '^[A-Za-z0-9]{1,64}$' });

const IpamData = Type.Object({
  AddressSpace: Type.Optional(Text),
  /** A prefix. */
  Pool: Type.Optional(Text),
  /** With a prefix length. */
  Gateway: Type.Optional(Text),
  AuxAddresses: OrNull(Texts),
});
const IpamDatas = OrNull(Type.Array(IpamData, { maxItems: 64 }));
export type IpamData = Static<typeof IpamData>;

const Endpoint = { NetworkID: Id, EndpointID: Id };

/** By "Service.Method": the request's shape. */
export const requests = {
  'Plugin.Activate': Type.Object({}),

  'NetworkDriver.GetCapabilities': Type.Object({}),
  'NetworkDriver.AllocateNetwork': Type.Object({ NetworkID: Id }),
  'NetworkDriver.FreeNetwork': Type.Object({ NetworkID: Id }),
  'NetworkDriver.CreateNetwork': Type.Object({
    NetworkID: Id,
    Options: OrNull(Free),
    IPv4Data: IpamDatas,
    IPv6Data: IpamDatas,
  }),
  'NetworkDriver.DeleteNetwork': Type.Object({ NetworkID: Id }),
  'NetworkDriver.CreateEndpoint': Type.Object({
    ...Endpoint,
    /** Empty texts where Docker leaves the choice to the driver; addresses with a prefix length. */
    Interface: OrNull(
      Type.Object({
        Address: Type.Optional(Text),
        AddressIPv6: Type.Optional(Text),
        MacAddress: Type.Optional(Text),
      }),
    ),
    Options: OrNull(Free),
  }),
  'NetworkDriver.DeleteEndpoint': Type.Object(Endpoint),
  'NetworkDriver.EndpointOperInfo': Type.Object(Endpoint),
  'NetworkDriver.Join': Type.Object({ ...Endpoint, SandboxKey: Type.Optional(Text), Options: OrNull(Free) }),
  'NetworkDriver.Leave': Type.Object(Endpoint),
  'NetworkDriver.ProgramExternalConnectivity': Type.Object({ ...Endpoint, Options: OrNull(Free) }),
  'NetworkDriver.RevokeExternalConnectivity': Type.Object(Endpoint),
  'NetworkDriver.DiscoverNew': Type.Object({}),
  'NetworkDriver.DiscoverDelete': Type.Object({}),

  'IpamDriver.GetCapabilities': Type.Object({}),
  'IpamDriver.GetDefaultAddressSpaces': Type.Object({}),
  'IpamDriver.RequestPool': Type.Object({
    AddressSpace: Type.Optional(Text),
    /** --subnet; empty: ours to choose. */
    Pool: Type.Optional(Text),
    /** --ip-range */
    SubPool: Type.Optional(Text),
    Options: OrNull(Texts),
    V6: Type.Optional(Type.Boolean()),
  }),
  'IpamDriver.ReleasePool': Type.Object({ PoolID: Text }),
  'IpamDriver.RequestAddress': Type.Object({
    PoolID: Text,
    /** Empty: any. */
    Address: Type.Optional(Text),
    Options: OrNull(Texts),
  }),
  'IpamDriver.ReleaseAddress': Type.Object({ PoolID: Text, Address: Text }),
} as const;

/** "Service.Method" */
export type Method = keyof typeof requests;
export type Request<M extends Method> = Static<(typeof requests)[M]>;

/** What is answered, and what to do as soon as it has left for Docker. */
export interface Reply {
  readonly body: object;
  readonly sent?: () => void;
}
/** Who calls. */
export interface Caller {
  /** Number of the process; asked of the kernel when it is read. @throws KERNEL */
  readonly pid: number;
}
/** What serves each method. */
export type Methods = { readonly [M in Method]: (request: Request<M>, caller: Caller) => Reply | Promise<Reply> };

/** Options that libnetwork adds to what the user typed. */
export const dockerOption = {
  generic: 'com.docker.network.generic',
  internal: 'com.docker.network.internal',
  ipv6: 'com.docker.network.enable_ipv6',
  mtu: 'com.docker.network.driver.mtu',
  portMap: 'com.docker.network.portmap',
  gateway: 'com.docker.network.gateway',
  addressType: 'RequestAddressType',
} as const;

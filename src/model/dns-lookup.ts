/** Bodies of the agent's `GET /v1/dns`. */
import { type Static, Type } from '#typebox';
import { Ref, strict } from './fields.ts';

/** Types of records that can be asked for. */
export const lookupTypes = ['A', 'AAAA', 'PTR', 'CNAME', 'MX', 'NS', 'SOA', 'SRV', 'TXT'] as const;

/** Query of `GET /v1/dns`: a name as a workload of the network would ask for it. */
export const DnsLookupQuery = Type.Object(
  {
    tenant: Ref('tenant'),
    network: Ref('network'),
    name: Type.String({ minLength: 1, maxLength: 254, description: 'Whole, or a name of the network' }),
    type: Type.Enum([...lookupTypes]),
  },
  strict,
);
export type DnsLookupQuery = Static<typeof DnsLookupQuery>;

/** Answer of `GET /v1/dns`. */
export interface DnsLookup {
  readonly name: string;
  readonly type: string;
  /** NOERROR, NXDOMAIN, SERVFAIL … */
  readonly rcode: string;
  /** The network's own names, or a resolver of the host. */
  readonly from: 'network' | 'resolver';
  /** Address of the resolver that answered. */
  readonly resolver?: string;
  readonly answers: readonly {
    readonly name: string;
    readonly type: string;
    /** Seconds. */
    readonly ttl: number;
    readonly data: string;
  }[];
}

/** What a subnet's workloads are told by DHCP and router advertisements besides what follows from the network. */
import { type Static, Type } from '#typebox';
import { Address, strict } from './fields.ts';

/** Limits of one subnet, so that everything fits an answer of the size that every client takes. */
const most = { dnsServers: 4, routes: 16 } as const;

const DhcpRoute = Type.Object(
  {
    destination: Type.String({ minLength: 2, maxLength: 18, description: 'Prefix, as 10.9.0.0/16' }),
    via: { ...Address, description: 'The next hop, in the subnet' },
  },
  strict,
);

const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const byte = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
/** An IPv4 address, or a name, of which the last label is no number: 10.0.0.300 is neither (RFC 3696 §2). */
const hostPattern = `^(${byte}(\\.${byte}){3}|(?!([^.]*\\.)*[0-9]+$)${label}(\\.${label})*)$`;

/** The field `dhcp` of a subnet. */
export const SubnetDhcp = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean({ description: 'Addresses are given by DHCP; default: true' })),
    ipv6: Type.Optional(
      Type.Enum(['stateful', 'slaac'], {
        description:
          'How workloads come by their addresses: those of the port by DHCPv6, or made by them from their MAC, which then are the port’s; as it is made; default: stateful (IPv6 only)',
      }),
    ),
    leaseSeconds: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: 31_536_000,
        description: 'An address is given for so long; default: a day',
      }),
    ),
    domain: Type.Optional(
      Type.String({
        pattern: `^${label}(\\.${label})*$`,
        maxLength: 200,
        description: 'Domain of names; default: the network’s own, below heddle.internal',
      }),
    ),
    dnsServers: Type.Optional(
      Type.Array(Address, { maxItems: most.dnsServers, description: 'Servers of names; default: the gateway' }),
    ),
    routes: Type.Optional(
      Type.Array(DhcpRoute, { maxItems: most.routes, description: 'Routes besides the default one (IPv4 only)' }),
    ),
    bootServer: Type.Optional(
      Type.String({
        pattern: hostPattern,
        maxLength: 200,
        description: 'Where it boots from (IPv4 only)',
      }),
    ),
    bootFile: Type.Optional(
      Type.String({
        pattern: '^[\\x21-\\x7e]+$',
        maxLength: 127,
        description: 'What it boots: a file of that server, or a URL',
      }),
    ),
  },
  { ...strict, description: 'What workloads are told by DHCP' },
);
export type SubnetDhcp = Static<typeof SubnetDhcp>;

/** True if addresses of a subnet are made from MACs: the port's address follows its MAC. */
export const isSlaac = ({ dhcp }: { readonly dhcp?: SubnetDhcp }): boolean => dhcp?.ipv6 === 'slaac';

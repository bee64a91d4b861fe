/** A port in the form of Amazon's metadata service, version for version the same. */
import { createHash } from 'node:crypto';
import { parsePrefix, prefixHas } from '../../model/address.ts';
import type { NetworkId } from '../../model/ids.ts';
import { networkDomain } from '../dns/zone.ts';
import { type Directory, directory } from './directory.ts';
import { addressesOf, type Instance } from './instance.ts';

/** What clients ask for by date, newest last: each takes the newest that it knows (EC2 user guide, "Access instance metadata"). */
export const versions: readonly string[] = [
  ...['1.0', '2007-01-19', '2007-03-01', '2007-08-29', '2007-10-10', '2007-12-15', '2008-02-01', '2008-09-01'],
  ...['2009-04-04', '2011-01-01', '2011-05-01', '2012-01-12', '2014-02-25', '2014-11-05', '2015-10-20', '2016-04-19'],
  ...['2016-06-30', '2016-09-02', '2018-03-28', '2018-08-17', '2018-09-24', '2019-10-01', '2020-10-27', '2021-01-03'],
  ...['2021-03-23', '2021-07-15', 'latest'],
];
/** There is one region: the installation. */
const region = 'heddle';
/** As Amazon names what Node names otherwise. */
const architectures: Readonly<Record<string, string>> = { x64: 'x86_64' };

/** What is below each version. */
export const ec2Tree = (instance: Instance): Directory =>
  directory({
    dynamic: directory({ 'instance-identity': directory({ document: () => identity(instance) }) }),
    'meta-data': () => metaData(instance),
    'user-data': instance.port.userData,
  });

function metaData(instance: Instance): Directory {
  const { port, network, host } = instance;
  return directory({
    hostname: `${port.name}.${networkDomain(network)}`,
    'instance-id': port.id,
    ipv6: addressesOf(instance, 6)[0],
    'local-hostname': port.name,
    'local-ipv4': addressesOf(instance, 4)[0],
    mac: port.mac,
    network: directory({
      interfaces: directory({ macs: directory({ [port.mac]: () => networkInterface(instance) }) }),
    }),
    placement: directory({ 'availability-zone': host, region }),
    'public-keys': publicKeys(port.sshKeys ?? []),
  });
}

function networkInterface(instance: Instance): Directory {
  const { port, network } = instance;
  const [four, six] = [addressesOf(instance, 4), addressesOf(instance, 6)];
  const [subnets4, subnets6] = [prefixesOf(instance, 4), prefixesOf(instance, 6)];
  return directory({
    'device-number': '0',
    'interface-id': port.id,
    ipv6s: lines(six),
    'local-hostname': port.name,
    'local-ipv4s': lines(four),
    mac: port.mac,
    'owner-id': network.tenant,
    'subnet-ipv4-cidr-block': subnets4[0],
    'subnet-ipv6-cidr-blocks': lines(subnets6),
    'vpc-id': vpcId(network.id),
    'vpc-ipv4-cidr-block': subnets4[0],
    'vpc-ipv4-cidr-blocks': lines(subnets4),
    'vpc-ipv6-cidr-blocks': lines(subnets6),
  });
}

/** The same for all guests of a network, and not the network's id: that is for those alone who may read its objects. */
export const vpcId = (network: NetworkId): string =>
  `vpc-${createHash('sha256').update(`heddle vpc ${network}`).digest('hex').slice(0, 17)}`;

/** Amazon's one list of which the names are not those of the entries: "0=name". */
const publicKeys = (keys: readonly string[]): Directory | undefined =>
  keys.length === 0
    ? undefined
    : directory(
        Object.fromEntries(keys.map((key, i) => [i, directory({ 'openssh-key': key })])),
        keys.map((_, i) => `${i}=key-${i}`).join('\n'),
      );

function identity(instance: Instance): string {
  const { port, network, host } = instance;
  const document = {
    accountId: network.tenant,
    architecture: architectures[process.arch] ?? process.arch,
    availabilityZone: host,
    instanceId: port.id,
    privateIp: addressesOf(instance, 4)[0] ?? null,
    region,
    version: '2017-09-30',
  };
  return JSON.stringify(document, undefined, 2);
}

/** Those of the network's prefixes that the port has addresses in. */
const prefixesOf = (instance: Instance, family: 4 | 6): string[] =>
  instance.network.subnets
    .map(({ cidr }) => parsePrefix(cidr))
    .filter((prefix) => addressesOf(instance, family).some((ip) => prefixHas(prefix, ip)))
    .map(({ cidr }) => cidr);

const lines = (list: readonly string[]): string | undefined => (list.length > 0 ? list.join('\n') : undefined);

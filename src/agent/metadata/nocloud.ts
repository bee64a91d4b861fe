/** A port in cloud-init's own form, "NoCloud": four documents. JSON, which YAML includes. */
import { ipFamily } from '../../model/address.ts';
import { settings4, settings6 } from '../dhcp/settings.ts';
import { gatewaysOf, prefixLength } from '../workload-netns.ts';
import { type Directory, directory } from './directory.ts';
import type { Instance } from './instance.ts';

/** The documents; also those that have nothing to say are there, because cloud-init asks ten times for what is not. */
export const noCloudTree = (instance: Instance): Directory =>
  directory({
    'meta-data': () =>
      yaml({
        'instance-id': instance.port.id,
        'local-hostname': instance.port.name,
        ...(instance.port.sshKeys && { 'public-keys': instance.port.sshKeys }),
      }),
    'network-config': () => yaml(networkConfig(instance)),
    'user-data': instance.port.userData ?? '',
    'vendor-data': '',
  });

/** The interface as the port has it, with what DHCP would tell, which it needs not (cloud-init, "Networking config Version 2"). */
function networkConfig({ port, network, mtuBytes }: Instance): object {
  const four = settings4(network, port, mtuBytes);
  const told = [four, settings6(network, port, mtuBytes)].filter((s) => s !== undefined);
  const defaults = gatewaysOf(port, network).map((via) => ({ to: ipFamily(via) === 4 ? '0.0.0.0/0' : '::/0', via }));
  const routes = four?.routes.map(({ to, via }) => ({ to: to.cidr, via })) ?? [];
  const nic = {
    match: { macaddress: port.mac },
    mtu: mtuBytes,
    addresses: port.addresses.map((ip) => `${ip}/${prefixLength(ip, network)}`),
    nameservers: {
      addresses: [...new Set(told.flatMap(({ dns }) => dns))],
      search: [...new Set(told.map(({ domain }) => domain))],
    },
    routes: [...defaults, ...routes],
  };
  return { version: 2, ethernets: { nic0: nic } };
}

const yaml = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

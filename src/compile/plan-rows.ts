/**
 * Host state and facts of the host → rows of the BPF maps. Pure: one item gives its rows, all items give the whole, and
 * no two items of one state give the same key (MACs and addresses are unique within a network), so that a change of one
 * item re-plans that item alone, and of a port those behind it and the addresses that it has of several ports'. Only the lists
 * of plan-flood.ts are several items' together.
 */
import { configRow, indexKey, peerKey, peerRow, portFlags, vtepFlags, vtepRow } from '../datapath/layouts.ts';
import { outerIp4Sum } from '../datapath/template.ts';
import { gatewayMac, type Ip, ipBytes, ipFamily, macBytes } from '../model/address.ts';
import {
  type AddressItem,
  type HostItem,
  type HostState,
  itemKey,
  type NetworkItem,
  type PeerItem,
  type PortItem,
  portKey,
} from '../model/host-state.ts';
import { metadataAddressesOf } from '../model/metadata.ts';
import { type Facts, networkMtu, overheadBytes } from './facts.ts';
import { type MapRow, plain } from './map-row.ts';
import { planFloods } from './plan-flood.ts';
import { planDevice, planPort, planShared, planStation } from './plan-port.ts';
import { planRouter } from './plan-router.ts';

/** All rows of a state: the definition that incremental work must equal. */
export function planRows(state: HostState, facts: Facts): MapRow[] {
  const items = [...state.values()].flatMap((item) => planItem(item, state, facts));
  return [planConfig(facts), ...items, ...planFloods(state, facts)];
}

/** The rows of one item. */
export function planItem(item: HostItem, state: HostState, facts: Facts): MapRow[] {
  if (item.kind === 'peer') return planPeer(item, facts);
  if (item.kind === 'network') return planGateway(item, facts);
  if (item.kind === 'router') return planRouter(item, (network) => networkMtu(network, facts));
  if (item.kind === 'lease' || item.kind === 'server') return [];
  const network = state.get(itemKey({ kind: 'network', id: item.network }));
  if (network?.kind !== 'network') return [];
  if (item.kind === 'address') {
    const holder = holderOf(item, state);
    return holder ? [planShared(network, item, holder)] : [];
  }
  const parent = item.behind && state.get(portKey(item.behind));
  return planPort(item, network, facts, parent?.kind === 'port' && parent.segment !== undefined);
}

/** Who has a shared address, if it still may: of a peer's network names are not known. */
export function holderOf({ holder, network, ports }: AddressItem, state: HostState): PortItem | undefined {
  const port = holder && state.get(portKey(holder));
  if (port?.kind !== 'port' || port.network !== network) return undefined;
  return ports.length === 0 || ports.includes(port.name) ? port : undefined;
}

/** The one row of `config`. */
export function planConfig(facts: Facts): MapRow {
  const { self, vxlanIfindex, vtep, udpPort, features } = facts;
  return {
    map: 'config',
    key: indexKey.encode({ index: 0 }),
    value: configRow.encode({ self, vxlan_ifindex: vxlanIfindex, vtep: plain(vtep), udp_port: udpPort, features }),
  };
}

/** No other host is told of them: a host's gateway serves its own workloads. */
function planGateway(network: NetworkItem, facts: Facts): MapRow[] {
  const device = facts.gateways.get(network.id);
  const addresses = gatewayAddresses(network);
  if (!device || addresses.length === 0) return [];
  const station = { mac: gatewayMac, addresses: [...addresses, ...metadataAddressesOf(addresses)], host: facts.self };
  return [
    ...planStation(network, station, { device }),
    planDevice(station, network, device, facts, { flags: portFlags.ROUTER }),
  ];
}

/** The gateways of a network's subnets. */
const gatewayAddresses = (network: NetworkItem): Ip[] => network.subnets.flatMap((s) => s.gateway ?? []);

function planPeer(peer: PeerItem, facts: Facts): MapRow[] {
  const known: MapRow = {
    map: 'peers',
    key: peerKey.encode({ ip: mapped(peer.vtep) }),
    value: peerRow.encode({ host: peer.number }),
  };
  return [
    known,
    { map: 'vteps', key: indexKey.encode({ index: peer.number }), value: vtepRow.encode(planVtep(peer, facts)) },
  ];
}

function planVtep(peer: PeerItem, facts: Facts): Parameters<typeof vtepRow.encode>[0] {
  const path = facts.paths.get(peer.vtep);
  const ip6 = ipFamily(peer.vtep) === 6;
  const local = plain(path?.local ?? facts.vtep);
  const remote = plain(peer.vtep);
  const mtu = Math.min(path?.mtuBytes ?? facts.underlayMtuBytes, peer.mtuBytes) - overheadBytes(peer.vtep);
  const row = {
    flags: vtepFlags.VALID | (ip6 ? vtepFlags.IP6 : 0),
    ifindex: 0,
    local,
    remote,
    dst_mac: new Uint8Array(6),
    src_mac: new Uint8Array(6),
    csum: 0,
    mtu,
  };
  if (ip6 || !path?.macs) return row;
  const { source, destination } = path.macs;
  return {
    ...row,
    flags: row.flags | vtepFlags.FAST,
    ifindex: path.ifindex,
    dst_mac: macBytes(destination),
    src_mac: macBytes(source),
    csum: outerIp4Sum(local, remote),
  };
}

/** Sixteen bytes: IPv6, or IPv4 as ::ffff:a.b.c.d. */
function mapped(ip: Ip): Uint8Array {
  const bytes = ipBytes(ip);
  return bytes.length === 16 ? bytes : Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes]);
}

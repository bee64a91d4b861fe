/** Two hosts with a workload each, in network namespaces, with the real programs, planned as every host is. */
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { planRows } from '../../../compile/plan-rows.ts';
import { addressAdd } from '../../../kernel/address.ts';
import { openBpf } from '../../../kernel/bpf.ts';
import { linkAddVeth, linkByName, linkSet } from '../../../kernel/link.ts';
import { type Netlink, openNetlink } from '../../../kernel/netlink.ts';
import { makeNetns, type Netns, openNetns } from '../../../kernel/netns.ts';
import { ensureClsact, ensureFilter } from '../../../kernel/tc.ts';
import { ensureTcx } from '../../../kernel/tcx.ts';
import type { Ip, Mac } from '../../../model/address.ts';
import { type HostItem, itemKey } from '../../../model/host-state.ts';
import type { HostId, HostNumber, NetworkId, PortId, Vni } from '../../../model/ids.ts';
import { DatapathMaps } from '../../datapath-maps.ts';
import { kernelFeatures } from '../../kernel-features.ts';
import { Underlay } from '../../underlay.ts';

const underlayMtuBytes = 1_500;
const workloadMtuBytes = underlayMtuBytes - 50;
const udpPort = 4_789;
const object = fileURLToPath(new URL('../../../../build/heddle.bpf.o', import.meta.url));
const numbers = [1, 2] as const;
type Number = (typeof numbers)[number];

/** The underlay device's name on both hosts, and the workload's interface. */
export const nic = 'nic0';
const eth = 'eth0';
const vtepOf = (n: Number): Ip => `192.0.2.${n}` as Ip;
const macOf = (n: Number): Mac => `02:00:00:00:00:0${n}` as Mac;
/** A workload's address. */
export const workloadIp = (n: Number): Ip => `10.0.0.${n}` as Ip;
const portId = (n: Number): PortId => `port${n}` as PortId;
const network = 'network' as NetworkId;

/** What both hosts are told, of the other one as a peer. */
function stateOf(self: Number): Map<ReturnType<typeof itemKey>, HostItem> {
  const items: HostItem[] = [
    {
      kind: 'network',
      id: network,
      name: 'trial',
      tenant: 'heddle',
      vni: 1 as Vni,
      sourceNat: false,
      publishFrom: [],
      member: true,
      subnets: [{ cidr: '10.0.0.0/24' }],
    },
    ...numbers.map(
      (n): HostItem => ({
        kind: 'port',
        id: portId(n),
        name: portId(n),
        dnsNames: [],
        network,
        mac: macOf(n),
        addresses: [workloadIp(n)],
        host: n as number as HostNumber,
        publish: [],
        revision: '1',
      }),
    ),
    ...numbers
      .filter((n) => n !== self)
      .map(
        (n): HostItem => ({
          kind: 'peer',
          id: `host${n}` as HostId,
          name: `host${n}`,
          number: n as number as HostNumber,
          vtep: vtepOf(n),
          mtuBytes: underlayMtuBytes,
        }),
      ),
  ];
  return new Map(items.map((item) => [itemKey(item), item]));
}

/** One of the two hosts. */
export interface ScratchHost {
  readonly netns: Netns;
  /** Of its workload. */
  readonly inside: Netns;
  /** Brings the rows up to date with the way to the other host; whether that is the fast one. */
  readonly settle: () => boolean;
}

/** Makes both hosts, below a folder that is nobody else's; `bpfDir` is in a bpffs. @throws KERNEL if the kernel refuses */
export function makeScratch(dir: string, bpfDir: string, log: Logger): ScratchHost[] {
  const spaces = numbers.map((n) => ({ n, netns: space(`${dir}/host${n}`), inside: space(`${dir}/workload${n}`) }));
  using first = openNetlink(spaces[0]!.netns);
  linkAddVeth(first, {
    name: nic,
    mtuBytes: underlayMtuBytes,
    peer: { name: nic, mtuBytes: underlayMtuBytes, netns: spaces[1]!.netns },
  });
  for (const { n, netns } of spaces) {
    using nl = openNetlink(netns);
    plug(nl, nic, vtepOf(n));
  }
  return spaces.map(({ n, netns, inside }) => makeHost(n, netns, inside, `${bpfDir}/${n}`, log));
}

function space(path: string): Netns {
  makeNetns(path);
  return openNetns(path);
}

function plug(nl: Netlink, device: string, ip: Ip): void {
  const { ifindex } = linkByName(nl, device)!;
  linkSet(nl, ifindex, { up: true });
  addressAdd(nl, { ifindex, ip, prefixLength: 24 });
}

function makeHost(n: Number, netns: Netns, inside: Netns, pinDir: string, log: Logger): ScratchHost {
  const nl = openNetlink(netns);
  const bpf = openBpf({ object, pinDir });
  const maps = new DatapathMaps(bpf);
  const underlay = new Underlay({ nl, vtep: vtepOf(n), udpPort, features: kernelFeatures(release()), bpf, log });
  const peer = { name: eth, mac: macOf(n), mtuBytes: workloadMtuBytes, netns: inside };
  const { ifindex } = linkAddVeth(nl, { name: 'port', mtuBytes: 65_535, peer });
  linkSet(nl, ifindex, { up: true });
  using within = openNetlink(inside);
  plug(within, eth, workloadIp(n));
  const program = bpf.program('from_port');
  ensureClsact(nl, ifindex);
  ensureFilter(nl, ifindex, 'ingress', program);
  ensureTcx(nl, ifindex, 'ingress', program);
  const remote = vtepOf(n === 1 ? 2 : 1);
  const settle = (): boolean => {
    underlay.resolve([remote]);
    const devices = new Map([[portId(n), { ifindex, slot: 1, redirectPeer: true }]]);
    const facts = { ...underlay.facts, self: n as number as HostNumber, devices, gateways: new Map() };
    maps.state('self', planRows(stateOf(n), facts));
    maps.apply({ whole: true });
    return underlay.summary.fast.includes(remote);
  };
  return { netns, inside, settle };
}

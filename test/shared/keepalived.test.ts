/** An address that two ports share, which keepalived moves between two hosts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { tagged } from '../../src/agent/segment/segment-socket.ts';
import { announcement } from '../../src/agent/shared/announcement.ts';
import { until } from '../../src/lab/processes.ts';
import { run } from '../../src/lab/run.ts';
import { type Ip, ipBytes, type Mac, macBytes, macText, parseIp } from '../../src/model/address.ts';
import type { PortCounters } from '../../src/model/host-state.ts';
import type { SharedAddress } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { Lan, nic } from '../segment/lan.ts';
import { openPackets } from '../traffic/packets.ts';
import { Keepalived } from './keepalived.ts';

const ips = { vip4: '10.0.0.100', vip6: 'fd00:1::100' } as const;
type Vip = keyof typeof ips;
const all = Object.keys(ips) as Vip[];
const everybody = { mac: 'ff:ff:ff:ff:ff:ff' as Mac, ip6: 'ff02::1' as Ip };
/** Whoever asks: a workload, a server of its own accord, a machine. */
interface Client {
  readonly name: string;
  readonly argv: readonly string[];
}
let rig: Rig;
let lb1: Workload;
let lb2: Workload;
let near: Workload;
let far: Workload;
const clients: Client[] = [];
const ports = new Map<Workload, Attached>();
const running = new Map<Workload, Keepalived>();

const attach = async (host: string, port: string): Promise<Workload> => {
  const workload = await rig.workload();
  ports.set(workload, await rig.attach(host, { target: workload.path, port }));
  return workload;
};
/** The one with the highest priority is to have them. */
function start(workload: Workload, priority: number): void {
  const addresses = [
    { router: 4, address: `${ips.vip4}/24` },
    { router: 6, address: `${ips.vip6}/64` },
  ];
  running.set(workload, new Keepalived(workload, priority, addresses));
}
const address = (name: Vip): Promise<SharedAddress> => rig.client.get('address', name, { tenant: rig.tenant });
const idOf = (workload: Workload) => ports.get(workload)!.port.id;
const macOf = (workload: Workload) => ports.get(workload)!.port.mac;

before(async () => {
  rig = await Rig.open();
  for (const name of all)
    await rig.client.create(
      'address',
      { name, network: 'web', address: ips[name], ports: ['lb1', 'lb2'] },
      { tenant: rig.tenant },
    );
  [lb1, lb2] = [await attach('h1', 'lb1'), await attach('h2', 'lb2')];
  near = await attach('h1', 'near');
  far = await attach('h2', 'far');
  await rig.attach('h1', { kind: 'host' });
  const inHost = rig.lab.host('h1').argv([]);
  for (const client of [near, far]) clients.push({ name: client.name, argv: client.argv([]) });
  clients.push({ name: 'host', argv: inHost });
});
after(async () => {
  for (const keepalived of running.values()) await keepalived[Symbol.asyncDispose]();
  await rig?.[Symbol.asyncDispose]();
});

const reaches = async ({ argv }: Client, ip: string, withinS: number): Promise<boolean> =>
  (await run([...argv, 'ping', '-n', '-q', '-c', '1', '-i', '0.2', '-w', String(withinS), ip])).code === 0;

/** Every client reaches the addresses, and knows them by the MAC of this one. */
async function areAt(workload: Workload): Promise<void> {
  for (const name of all)
    await until(`${name} is at ${workload.name}: ${running.get(workload)?.log}`, 20_000, async () =>
      (await address(name)).holder === idOf(workload) ? true : undefined,
    );
  // Who still has it on its interface answers until the hosts have heard.
  for (const client of clients)
    for (const ip of Object.values(ips))
      await until(`${client.name} has ${ip} at ${workload.name}, and reaches it`, 10_000, async () => {
        if (!(await reaches(client, ip, 1))) return undefined;
        const { stdout } = await run([...client.argv, 'ip', 'neigh', 'show', ip]);
        return stdout.includes(macOf(workload)) ? true : undefined;
      });
}

async function reasonsOf(port: string): Promise<Record<string, string>> {
  const { counters } = (await rig.client.get('port', port, { tenant: rig.tenant, counters: true })) as unknown as {
    counters: PortCounters;
  };
  return counters.reasons;
}

/** As of the one that is to have every address: the datapath does not look at what VRRP says. */
function advertOf(workload: Workload): Uint8Array {
  const { mac, addresses } = ports.get(workload)!.port;
  const packet = new Uint8Array(34);
  const view = new DataView(packet.buffer);
  packet.set([0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, ...macBytes(mac as Mac), 0x08, 0x00, 0x45]);
  view.setUint16(16, 20);
  packet.set([255, 112], 22);
  packet.set([...ipBytes(parseIp(addresses[0]!)), 224, 0, 0, 18], 26);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  view.setUint16(24, ~((sum & 0xffff) + (sum >> 16)));
  return packet;
}

test('an address that nobody has announced answers nobody', async () => {
  for (const name of all) assert.equal((await address(name)).holder, undefined);
  for (const ip of Object.values(ips)) assert.ok(!(await reaches(clients[0]!, ip, 1)));
});

test('who announces it has it, on every host', async () => {
  start(lb1, 150);
  await areAt(lb1);
});

test('VRRP’s own packets reach those who share it, on another host too, and nobody else', async () => {
  using other = openPackets(lb2.path, 'eth0');
  using stranger = openPackets(near.path, 'eth0');
  using beside = openPackets(far.path, 'eth0');
  /** Of both instances: to 224.0.0.18 and ff02::12. */
  const isAdvert = (frame: Uint8Array): boolean =>
    (frame[12] === 0x08 && frame[23] === 112) || (frame[12] === 0x86 && frame[20] === 112);
  const heard = new Set<string>();
  await until('the second hears the first', 20_000, async () => {
    // Of one that shares nothing, on the host of one that does.
    stranger.send(advertOf(near));
    for (const frame of other.received().filter(isAdvert))
      heard.add(`${macText(frame.subarray(0, 6))} from ${macText(frame.subarray(6, 12))}`);
    return heard.size === 2 ? true : undefined;
  });
  const from = macOf(lb1);
  assert.deepEqual([...heard].sort(), [`01:00:5e:00:00:12 from ${from}`, `33:33:00:00:00:12 from ${from}`]);
  for (const packets of [stranger, beside]) assert.deepEqual(packets.received().filter(isAdvert), []);
  start(lb2, 100);
  await areAt(lb1);
});

test('a port that may not have it gets nothing, whatever it announces and sends; nor does one that may, and has not said so', async () => {
  for (const [thief, reasons] of [
    [near, ['arp_spoof', 'src_ip4', 'src_ip6']],
    [lb2, ['src_ip4', 'src_ip6']],
  ] as const) {
    using packets = openPackets(thief.path, 'eth0');
    for (const ip of Object.values(ips)) {
      const frame = announcement({ mac: macOf(thief) as Mac, ip: parseIp(ip) }, everybody);
      // In a VLAN of its own even who may have it says nothing of this network's.
      packets.send(thief === near ? frame : tagged(frame, 7));
    }
    const target = ports.get(lb1)!.port.addresses;
    for (const [i, ip] of Object.values(ips).entries()) {
      const addressOf = ['address', 'replace', `${ip}/128`.replace('.100/128', '.100/32'), 'dev', 'lo'];
      await thief.exec(['ip', ...addressOf, ...(ip.includes(':') ? ['nodad'] : [])]);
      const { code } = await thief.exec(['ping', '-n', '-q', '-c', '2', '-i', '0.2', '-W', '1', '-I', ip, target[i]!]);
      assert.notEqual(code, 0, `${thief.name} as ${ip}`);
      await thief.exec(['ip', ...addressOf.with(1, 'del')]);
    }
    const counted = await reasonsOf(ports.get(thief)!.port.name);
    for (const reason of reasons) assert.ok(Number(counted[reason]) > 0, `${reason} of ${thief.name}`);
  }
  await areAt(lb1);
});

test('its keepalived is killed: the other one has it in a moment, though the first still thinks that it is its own', async () => {
  await running.get(lb1)!.kill();
  await areAt(lb2);
  const { stdout } = await lb1.exec(['ip', 'address', 'show', 'dev', 'eth0']);
  assert.match(stdout, /10\.0\.0\.100/);
});

test('the first is back, and has it again', async () => {
  start(lb1, 150);
  await areAt(lb1);
});

test('it stays while agents restart; announced while the controller is away, it moves when that is back', async () => {
  for (const host of ['h1', 'h2']) {
    await rig.lab.restart(host);
    await rig.inSync(host);
  }
  await areAt(lb1);
  const second = running.get(lb2)!;
  const before = second.log.length;
  await rig.lab.kill('controller');
  await running.get(lb1)!.kill();
  await until('the second is master of both', 20_000, async () => {
    const since = second.log.slice(before);
    return ['V4', 'V6'].every((name) => since.includes(`(${name}) Entering MASTER`)) ? true : undefined;
  });
  for (const client of clients) assert.ok(await reaches(client, ips.vip4, 5), 'the first still answers');
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  await areAt(lb2);
  start(lb1, 150);
  await areAt(lb1);
});

test('machines on a physical segment of the network follow, too', async () => {
  const lan = await Lan.open(rig.lab, () => rig.workload());
  await rig.attach('h2', { kind: 'device', ifname: nic, vlan: 120, port: 'plant' });
  const machine = await lan.machine({ vlan: 120, addresses: ['10.0.0.201/24', 'fd00:1::201/64'] });
  clients.push({ name: 'machine', argv: machine.argv([]) });
  await areAt(lb1);
  await running.get(lb1)!.kill();
  await areAt(lb2);
});

test('who has it is detached: the next to announce it has it', async () => {
  start(lb1, 150);
  await areAt(lb1);
  await rig.detach('h1', idOf(lb1));
  await areAt(lb2);
});

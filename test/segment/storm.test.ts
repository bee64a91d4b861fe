// exclusive: what a storm does to another network is measured
/**
 * A storm of broadcasts in a network with a physical segment is cut to what a port or a segment may send, and costs another
 * network next to nothing: that is told, not judged, for other work on the machine costs more. Its sender costs a core,
 * whatever it sends by: so what is compared with is the same storm on a wire that leads nowhere.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type MetricName, measure } from '../../bench/metrics.ts';
import type { Ends } from '../../bench/paths/path.ts';
import { quantile } from '../../bench/statistics.ts';
import { workloadNetns } from '../../src/lab/plan.ts';
import { ipBatch } from '../../src/lab/run.ts';
import type { PortCounters } from '../../src/model/host-state.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { eth, hex, ip4, mac, udp } from '../datapath/frames.ts';
import { Lan, macOf, nic } from './lan.ts';

const [stormCore, measuredCore] = [0, 1];
const rounds = 5;
const seconds = 0.3;
const vlan = 120;
const bench = fileURLToPath(new URL('../../bench', import.meta.url));
const program = fileURLToPath(new URL('storm.ts', import.meta.url));

/** Where a storm comes from: a broadcast of whoever is there, and the port whose bucket it empties. */
interface Source {
  readonly netns: string;
  readonly frame: Uint8Array;
  readonly port: string;
}
let rig: Rig;
let sources: { workload: Source; machine: Source };
/** A namespace whose eth0 leads nowhere. */
let nowhere: string;
let measured: Ends;

before(async () => {
  execFileSync('make', ['-s', '-C', bench]);
  rig = await Rig.open();
  const lan = await Lan.open(rig.lab, () => rig.workload());
  const attach = async (host: string, network: string, port: string) => {
    const workload = await rig.workload();
    return { workload, ...(await rig.attach(host, { target: workload.path, network, port })) };
  };
  const loud = await attach('h1', 'web', 'loud');
  for (const host of ['h1', 'h2']) for (const n of [1, 2, 3]) await attach(host, 'web', `${host}-${n}`);
  await rig.attach('h1', { kind: 'device', ifname: nic, vlan, port: 'plant', learn: 0 });
  const machine = await lan.machine({ vlan, addresses: ['10.0.0.201/24'] });
  const body = { network: 'web', behind: 'plant', mac: macOf(machine), addresses: ['10.0.0.201'] };
  await rig.client.create('port', { name: 'plc', ...body }, { tenant: rig.tenant, waitMs: 20_000 });
  const [client, server] = [await attach('h1', 'four', 'client'), await attach('h2', 'four', 'server')];
  sources = {
    workload: source(loud.workload, loud.port.mac, loud.port.addresses[0]!, 'loud'),
    machine: source(machine, macOf(machine), '10.0.0.201', 'plant'),
  };
  const { name, path } = await rig.workload();
  await ipBatch(
    ['link add eth0 type veth peer name eth1', 'link set eth0 up', 'link set eth1 up'],
    workloadNetns(rig.lab.name, name),
  );
  nowhere = path;
  measured = {
    client: client.workload.path,
    server: server.workload.path,
    address: server.port.addresses[0]!,
    [Symbol.asyncDispose]: async () => undefined,
  };
});
after(() => rig?.[Symbol.asyncDispose]());

function source({ path }: Workload, address: string, ip: string, port: string): Source {
  const words = udp(4242, 4243, Buffer.from('storm'));
  const packet = ip4({ src: ip, dst: '255.255.255.255' }, words);
  return { netns: path, frame: eth(mac('ff:ff:ff:ff:ff:ff'), mac(address), 0x800, packet), port };
}

/** A storm that is told where it is. */
interface Storm extends AsyncDisposable {
  /** Elsewhere or here from now on. Gives how many frames it has sent here. */
  move(to: 'elsewhere' | 'here'): Promise<number>;
}
function openStorm({ netns, frame }: Source): Storm {
  const argv = [process.execPath, '--disable-warning=ExperimentalWarning', program, hex(frame), nowhere, netns];
  const child = spawn('taskset', ['-c', String(stormCore), ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'close');
  return {
    async move(to) {
      child.stdin.write(to === 'here' ? '1\n' : '0\n');
      const { value } = await lines.next();
      return Number(String(value).split(' ')[1]);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const reasons = async (port: string): Promise<PortCounters['reasons']> => {
  const { counters } = (await rig.client.get('port', port, { tenant: rig.tenant, counters: true })) as unknown as {
    counters: PortCounters;
  };
  return counters.reasons;
};
const value = (metric: MetricName) =>
  measure(metric, measured, { core: measuredCore, seconds, signal: AbortSignal.timeout(60_000) });

/** In turn with the storm elsewhere and here, so that both see the same machine. */
async function compare(t: TestContext, metric: MetricName, from: Source): Promise<void> {
  const runs: Record<'elsewhere' | 'here', number[]> = { elsewhere: [], here: [] };
  const less = metric === 'rr_us';
  const best = (values: readonly number[]) => quantile(values, less ? 0 : 1);
  const times = (here: number, elsewhere: number) => (less ? here / elsewhere : elsewhere / here);
  const ofBest = () => times(best(runs.here), best(runs.elsewhere));
  const ofPairs = () =>
    quantile(
      runs.here.map((value, i) => times(value, runs.elsewhere[i]!)),
      0.5,
    );
  await using storm = openStorm(from);
  const before = await reasons(from.port);
  const began = performance.now();
  for (let round = 0; round < rounds; round++)
    for (const place of ['elsewhere', 'here'] as const) {
      await storm.move(place);
      runs[place].push(await value(metric));
    }
  const sent = await storm.move('elsewhere');
  const took = (performance.now() - began) / 1000;
  const now = await reasons(from.port);
  const [copied, cut] = ['flooded', 'flood_rate'].map((name) => Number(now[name] ?? 0) - Number(before[name] ?? 0));
  const text = (values: readonly number[]) =>
    `best ${best(values).toFixed(2)}, median ${quantile(values, 0.5).toFixed(2)}`;
  t.diagnostic(`${metric}: storm elsewhere ${text(runs.elsewhere)}; here ${text(runs.here)}`);
  t.diagnostic(
    `slower: ${ofBest().toFixed(3)} times by the best, ${ofPairs().toFixed(3)} by the middle of ${runs.here.length} pairs`,
  );
  t.diagnostic(`${sent} frames in the storm, ${copied} copied, ${cut} cut off, in ${took.toFixed(1)} s`);
  assert.ok(sent > 20 * copied! && cut! > 0, 'it is a storm');
  assert.ok(copied! <= 1000 * took + 2000, `${copied} copied in ${took.toFixed(1)} s`);
}

for (const from of ['workload', 'machine'] as const)
  for (const metric of ['rr_us', 'tcp_gbps'] as const)
    test(`a storm of a ${from} is cut, beside ${metric} of another network`, (t) => compare(t, metric, sources[from]));

/** What a lab tells to those who watch over it: with real agents, packets, and faults. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { agentDaemon } from '../../src/lab/daemons.ts';
import { startDaemon, until } from '../../src/lab/processes.ts';
import { run } from '../../src/lab/run.ts';
import { metrics } from '../../src/metrics/table.ts';
import { macBytes, parseMac } from '../../src/model/address.ts';
import type { Condition } from '../../src/model/condition.ts';
import { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { project } from '../cli/heddle.ts';
import { openPackets } from '../traffic/packets.ts';
import { untilEqual } from '../until-equal.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const { lab, client, tenant } = rig;

/** What a daemon answers on its unix socket. */
async function get(socket: string, path: string): Promise<{ status: number; text: string }> {
  const { stdout } = await run([
    'curl',
    '-s',
    '-w',
    '\n%{http_code}',
    '--unix-socket',
    socket,
    `http://localhost${path}`,
  ]);
  const at = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(at + 1)), text: stdout.slice(0, at) };
}
const agentOf = (host: string) => lab.host(host).agentSocket;
const controller = lab.plan.controllerSocket;
/** A sample of a daemon's metrics, which may be a second old; 0 if it is not there. */
async function sample(socket: string, name: string): Promise<number> {
  const { text } = await get(socket, '/metrics');
  return valueIn(text, name);
}
function valueIn(text: string, name: string): number {
  const line = text.split('\n').find((l) => l.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** Sends frames of a type that nobody knows, from the workload's own MAC. */
function sendUnknown({ path }: Workload, mac: string, count: number): void {
  using packets = openPackets(path, 'eth0');
  const frame = Uint8Array.from([...Array(6).fill(0xff), ...macBytes(parseMac(mac)), 0x88, 0xb5, ...Array(46).fill(0)]);
  for (let i = 0; i < count; i++) packets.send(frame);
}

const status = async () => {
  const { code, stdout } = await lab.host('h1').exec([`${project}/heddle`, 'status', '--json']);
  return { code, ...(JSON.parse(stdout) as Condition & { agent: { ok: boolean } }) };
};

test('heddle status says that all is well, then which host is lost, and ends accordingly', async () => {
  const before = await status();
  assert.deepEqual([before.code, before.well, before.problems, before.agent.ok], [0, true, [], true]);
  await using w = await rig.workload();
  const { port } = await rig.attach('h2', { target: w.path, port: 'lost1' });
  await lab.kill('h2');
  const lost = await until('it is not well', 20_000, async () => {
    const now = await status();
    return now.well ? undefined : now;
  });
  assert.deepEqual([lost.code, lost.hosts.offline, lost.ports.unknown], [1, ['h2'], 1]);
  assert.match(lost.problems[0]!.text, /1 port is there/);
  await lab.start('h2');
  await lab.ready('h2');
  await until('all is well again', 20_000, async () => ((await status()).code === 0 ? true : undefined));
  await rig.detach('h2', port.id);
});

/** Types of a port's events, as the command line tells them. */
async function typesOf(port: string): Promise<string[]> {
  const words = ['events', 'port', port, '--tenant', tenant, '--json', '--controller', lab.controllerAddress];
  const { stdout } = await run([`${project}/heddle`, ...words]);
  return (JSON.parse(stdout) as { items: { type: string }[] }).items.map(({ type }) => type);
}

test('the events of a port tell what its host did, and that the host was lost and is back', async () => {
  await using w = await rig.workload();
  const { port } = await rig.attach('h2', { target: w.path, port: 'life1' });
  await rig.portIs('life1', 'up');
  await lab.kill('h2');
  await rig.portIs('life1', 'unknown');
  await lab.start('h2');
  await rig.portIs('life1', 'up');
  // An agent that comes back says the same of its ports again, and that is no event.
  assert.deepEqual(await typesOf('life1'), ['created', 'bound', 'wired', 'offline', 'online']);
  await rig.detach('h2', port.id);
  await until('it is deleted', 20_000, async () => ((await typesOf('life1')).at(-1) === 'deleted' ? true : undefined));
});

test('heddle events --follow has what comes, until it is interrupted', async () => {
  const words = ['events', 'network', '--follow', '--json', '--controller', lab.controllerAddress];
  const follow = spawn(`${project}/heddle`, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(follow, 'exit');
  const lines = createInterface(follow.stdout)[Symbol.asyncIterator]();
  const next = async () => {
    const { type, name } = JSON.parse((await lines.next()).value!) as { type: string; name: string };
    return `${type} ${name}`;
  };
  assert.deepEqual([await next(), await next()], ['created web', 'created four']);
  await client.create('network', { name: 'followed' }, { tenant });
  assert.equal(await next(), 'created followed');
  await client.remove('network', 'followed', { tenant });
  assert.equal(await next(), 'deleted followed');
  follow.kill('SIGINT');
  await ended;
});

test('an agent counts packets and drops by reason; a workload that goes takes nothing away, an agent begins anew', async () => {
  const dropped = 'heddle_drops_total{reason="ethertype"}';
  const sent = 'heddle_workload_packets_total{direction="sent"}';
  const before = await sample(agentOf('h1'), dropped);
  await using far = await rig.workload();
  const other = await rig.attach('h2', { target: far.path });
  {
    await using w = await rig.workload();
    const { port } = await rig.attach('h1', { target: w.path });
    sendUnknown(w, port.mac, 7);
    assert.ok(await w.reaches(other.port.addresses[0]!, 5));
    await untilEqual(7, 10_000, async () => (await sample(agentOf('h1'), dropped)) - before);
    assert.ok((await sample(agentOf('h1'), sent)) > 0);
    await rig.detach('h1', port.id);
  }
  const passed = await sample(agentOf('h1'), sent);
  await using next = await rig.workload();
  const { port } = await rig.attach('h1', { target: next.path });
  sendUnknown(next, port.mac, 2);
  // Of both owners of the slot.
  await untilEqual(9, 10_000, async () => (await sample(agentOf('h1'), dropped)) - before);
  assert.ok((await sample(agentOf('h1'), sent)) >= passed);
  await lab.kill('h1');
  await lab.start('h1');
  await lab.ready('h1');
  assert.equal(await sample(agentOf('h1'), dropped), 0);
  sendUnknown(next, port.mac, 3);
  await untilEqual(3, 10_000, () => sample(agentOf('h1'), dropped));
  await rig.detach('h1', port.id);
  await rig.detach('h2', other.port.id);
});

test('an agent serves every metric of the table that is its, and no name of a tenant’s', async () => {
  await using w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path, port: 'secretname' });
  const up = 'heddle_agent_ports{condition="up"}';
  await untilEqual(1, 10_000, () => sample(agentOf('h1'), up));
  const { status: code, text } = await get(agentOf('h1'), '/metrics');
  assert.equal(code, 200);
  // Messages of DHCP are counted by what came.
  for (const [name, { servers }] of Object.entries(metrics))
    if (servers.includes('agent') && name !== 'heddle_dhcp_messages_total')
      assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'));
  assert.doesNotMatch(text, /secretname|acme|"web"/);
  assert.equal(valueIn(text, up), 1);
  assert.equal(valueIn(text, 'heddle_controller_connected'), 1);
  assert.ok(valueIn(text, 'heddle_map_entries{map="fdb"}') > 0);
  assert.equal(valueIn(text, 'heddle_revision_applied'), valueIn(text, 'heddle_revision_known'));
  await rig.detach('h1', port.id);
});

test('the controller counts its hosts, their streams and the ports', async () => {
  const { text } = await get(controller, '/metrics');
  assert.equal(valueIn(text, 'heddle_hosts{condition="online"}'), 2);
  assert.equal(valueIn(text, 'heddle_streams_open'), 2);
  assert.equal(valueIn(text, 'heddle_hosts_behind'), 0);
  assert.ok(valueIn(text, 'heddle_stream_messages_total') > 0);
  assert.ok(valueIn(text, 'heddle_store_size_bytes') > 0);
});

test('an agent is ready without a controller, and says so', async () => {
  assert.deepEqual(await get(agentOf('h1'), '/readyz'), { status: 200, text: 'ok\n' });
  await lab.kill('controller');
  const { checks } = await until('the agent notices', 20_000, async () => {
    const { text } = await get(agentOf('h1'), '/readyz?format=json');
    return text.includes('not connected') ? JSON.parse(text) : undefined;
  });
  assert.deepEqual(
    checks.map((c: { name: string; ok: boolean }) => [c.name, c.ok]),
    [
      ['state', true],
      ['controller', true],
    ],
  );
  await untilEqual(0, 10_000, () => sample(agentOf('h1'), 'heddle_controller_connected'));
  const asked = await lab.host('h1').exec([`${project}/heddle`, 'status']);
  assert.equal(asked.code, 3);
  assert.match(asked.stdout, /^controller +no .*\nagent +ok/m);
  await lab.start('controller');
  await lab.allOnline(20_000);
});

test('with --metrics-listen metrics are served by TLS, and nothing else, by the name of all hosts', async () => {
  const spec = agentDaemon(lab.plan, lab.plan.hosts[0]!);
  const where = `${lab.host('h1').vtep}:9470`;
  await lab.kill('h1', 'SIGTERM');
  await startDaemon({ ...spec, argv: [...spec.argv, '--metrics-listen', where] });
  await lab.ready('h1');
  const ca = join(lab.plan.dir, 'ca.pem');
  const asked = (url: string, ...options: string[]) =>
    lab.host('h2').exec(['curl', '-sS', '-m', '5', '--cacert', ca, ...options, url]);
  const byName = ['--connect-to', `agent.heddle.internal:443:${where}`];
  const fetched = async (path: string) => (await asked(`https://agent.heddle.internal${path}`, ...byName)).stdout;
  const keepAuthority = async () => writeFileSync(ca, (await client.authority()).ca);
  await keepAuthority();
  assert.match(await fetched('/metrics'), /^heddle_controller_connected 1$/m);
  assert.equal(await fetched('/readyz'), 'ok\n');
  assert.match(await fetched('/v1/status'), /404/);
  assert.match(await fetched('/v1/attachments'), /404/);

  const plain = await asked(`http://${where}/metrics`);
  assert.deepEqual([plain.code === 0, plain.stdout], [false, '']);
  const byAddress = await asked(`https://${where}/metrics`);
  assert.match(byAddress.stderr, /does not match|no alternative certificate subject name/);

  // Whoever has the bundle of before a rotation, or of while it lasts, goes on.
  const serial = async () =>
    /serial.*: *(\S+)/i.exec(
      (await asked('https://agent.heddle.internal/healthz', ...byName, '-w', '%{certs}')).stdout,
    )?.[1];
  const before = await serial();
  assert.ok(before);
  const rotated = await client.rotateAuthority();
  await until('it shows a certificate of the new authority', 20_000, async () => {
    const now = await serial();
    assert.ok(now, 'whoever believes the old one alone is not cut off');
    return now === before ? undefined : true;
  });
  assert.equal(rotated.authorities.length, 2);
  await keepAuthority();
  assert.equal(await fetched('/healthz'), 'ok\n');
});

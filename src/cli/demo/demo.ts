/** The demo: makes a lab, puts two tenants with the same addresses on it, and shows who reaches whom and how fast. */
import { openLocal } from '../../client/local.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import { lockLab } from '../../lab/lock.ts';
import { removeLab } from '../../lab/remove.ts';
import { HeddleError, hasCode } from '../../model/errors.ts';
import { printJson } from '../command.ts';
import { type Io, paint } from '../io.ts';
import { launcher, projectRoot, rootLauncher } from '../launcher.ts';
import { type Progress, progress } from '../progress.ts';
import { demoNetns, type Speed, speedTo, startResponder, whoAnswers } from './peers.ts';
import { type Row, rowText, type SpeedRow, speedText } from './rows.ts';
import { checks, identity, network, prefixes, tenants, type Workload, workloads } from './topology.ts';

const name = 'demo';
/** How often each speed is measured, bare hosts and overlay in turn. */
const rounds = 5;

/** Runs the demo until a signal, or with `once` until the table is shown. Whatever happens, every trace is removed. */
export async function runDemo(io: Io, { once, json }: { once: boolean; json: boolean }): Promise<void> {
  // Held as long as the demo runs: without it, what there is of its lab is left over from one that was killed.
  await using _alone = await lockLab(`${name}/session`).catch((e: unknown) => {
    if (!hasCode(e, 'LAB_BUSY')) throw e;
    throw new HeddleError('USAGE', { problem: 'the demo is running on this machine already' }, e);
  });
  await removeLab(name);
  await using stack = new AsyncDisposableStack();
  using shown = progress(io, json);
  stack.defer(async () => {
    if (!once) shown.step('removing every trace');
    await removeLab(name);
    if (!once) shown.done('removed: hosts, links, programs, processes, files');
  });
  const lab = await createLab({ name, signal: io.signal, onProgress: shown.step });
  await populate(io, lab, shown);
  const rows = await reach(io, shown, json);
  const speeds = await compareSpeed(io, lab, shown, json);
  if (json) printJson(io, { api: lab.apiAddress, rows, speeds });
  if (rows.some((r) => !r.ok)) process.exitCode = 4;
  if (once) return;
  if (!json) io.out(tryNext(io, lab));
  if (!io.signal.aborted) await new Promise((resolve) => io.signal.addEventListener('abort', resolve, { once: true }));
}

/** Tenants, networks, subnets; workloads attached through their host's agent, each with a responder in it. */
async function populate(io: Io, lab: Lab, shown: Progress): Promise<void> {
  const client = lab.client();
  shown.step(`making tenants ${tenants.join(' and ')}, both with ${prefixes.join(' and ')}`);
  for (const tenant of tenants) {
    await client.create('tenant', { name: tenant });
    await client.create('network', { name: network }, { tenant });
    for (const [i, cidr] of prefixes.entries())
      await client.create('subnet', { name: `${network}-v${i === 0 ? 4 : 6}`, network, cidr }, { tenant });
  }
  const all: Workload[] = Object.values(workloads);
  for (const { name: port, tenant, host, ip4, ip6 } of all) {
    io.signal.throwIfAborted();
    shown.step(`attaching ${tenant}/${port} on ${host}`);
    const target = await lab.addWorkload(port);
    const body = { kind: 'netns', target, tenant, network, port, addresses: [ip4, ip6] };
    await openLocal(lab.host(host).agentSocket).request('POST', '/v1/attachments', { body });
  }
  shown.step('starting a responder in every workload');
  await Promise.all([
    ...all.map((w) => startResponder(demoNetns(w.name), identity(w))),
    startResponder(lab.host('h2').netns, 'host/h2'),
  ]);
}

/** Asks each question of the table and shows its row. */
async function reach(io: Io, shown: Progress, json: boolean): Promise<Row[]> {
  shown.done(`${Object.keys(workloads).length} workloads on 3 hosts; who answers whom?`);
  const asked = checks.map(async ({ from, address, expected, what }): Promise<Row> => {
    const answer = await whoAnswers(demoNetns(from.name), address);
    const want = expected && identity(expected);
    return {
      what,
      from: `${identity(from)} on ${from.host}`,
      address,
      answer: answer ?? null,
      expected: want ?? null,
      ok: answer === want,
    };
  });
  // All are asked at once and shown in order: one that fails is thrown when its turn comes, not as unhandled before.
  for (const question of asked) question.catch(() => undefined);
  const rows: Row[] = [];
  if (!json) io.out(`\n${rowText(io)}`);
  for (const question of asked) {
    const row = await question;
    rows.push(row);
    if (!json) io.out(rowText(io, row));
  }
  return rows;
}

/** Bare hosts and overlay in turn; the best of all rounds, because other work on the machine only ever makes one worse. */
async function compareSpeed(io: Io, lab: Lab, shown: Progress, json: boolean): Promise<SpeedRow[]> {
  if (!json) io.out('\n');
  const bare: Speed[] = [];
  const overlay: Speed[] = [];
  for (let round = 1; round <= rounds; round++) {
    io.signal.throwIfAborted();
    shown.step(`measuring, round ${round} of ${rounds}`);
    bare.push(await speedTo(lab.host('h1').netns, lab.host('h2').vtep, 0.15));
    overlay.push(await speedTo(demoNetns('a1'), workloads.a3.ip4, 0.15));
  }
  const row = (what: string, unit: string, best: (of: Speed[]) => number): SpeedRow => {
    const [b, o] = [best(bare), best(overlay)];
    return { what, unit, bare: b, overlay: o, ratio: o / b };
  };
  const rows = [
    row('one TCP stream', 'Gbit/s', (of) => Math.max(...of.map((s) => s.gbps))),
    row('1-byte TCP round trip', 'µs', (of) => Math.min(...of.map((s) => s.rttUs))),
  ];
  shown.done(
    `measured between two Node programs on one core, h1 to h2, best of ${rounds}; "npm run bench" measures precisely`,
  );
  if (!json) io.out(`\n${speedText(rows)}`);
  return rows;
}

/** Lines that work when pasted into another terminal. */
function tryNext(io: Io, lab: Lab): string {
  const [heddle, asRoot] = [launcher(), rootLauncher()];
  const lines = [
    `eval "$(${heddle} lab env --name demo)"; export HEDDLE_TENANT=acme`,
    `${heddle} port list`,
    `${heddle} port show a1 --counters`,
    `${asRoot} lab exec --name demo --workload a1 -- ping -c 3 ${workloads.a3.ip4}`,
    `${asRoot} lab workload add --name demo w1`,
    `${asRoot} lab exec --name demo h3 -- heddle attach netns hd-demo-w-w1 --tenant acme --network web --port w1`,
    `${asRoot} lab exec --name demo --workload w1 -- ping -c 3 ${workloads.a1.ip4}`,
    `${asRoot} lab status`,
    `${heddle} --help`,
  ];
  return `
${paint(io, 'bold', 'Try next')}, in another terminal:

${lines.map((l) => `  ${l}`).join('\n')}

API   ${lab.apiAddress}/v1, with the authority in ${lab.caFile} and a token (${heddle} token create)
Docs  ${projectRoot}docs/guides/first-network.md
Stop  Ctrl-C removes every trace

`;
}

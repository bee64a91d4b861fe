/** `heddle import docker`: an engine's own networks become Heddle networks. */
import type { Command } from 'commander';
import type { Movable, Present } from '../docker/import-plan.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { controllerClient, makeCommand, printJson, requireTenant, type Typed, withShared } from './command.ts';
import type { Io } from './io.ts';
import { printable, table } from './table.ts';

const load = async () => ({
  ...(await import('../docker/engine-api.ts')),
  ...(await import('../docker/import-plan.ts')),
  ...(await import('../docker/import-text.ts')),
  ...(await import('../docker/import-apply.ts')),
});

export function importCommand(io: Io): Command {
  const group = makeCommand('import', 'Move what another network system has to Heddle', [
    'heddle import docker --tenant acme',
  ]);
  return group.addCommand(dockerCommand(io));
}

type ImportTyped = Typed & { readonly engine: string; readonly apply?: boolean };

function dockerCommand(io: Io): Command {
  const command = makeCommand(
    'docker',
    'Show the bridge and overlay networks of this host’s Docker engine, and the commands that move their containers to Heddle networks',
    [
      'heddle import docker --tenant acme',
      'heddle import docker shop_default --tenant acme --apply',
      'heddle import docker --tenant acme --engine /run/docker.sock --json',
    ],
  )
    .argument('[networks...]', 'only these networks, by their names at the engine')
    .option('--engine <socket>', 'the engine’s unix socket', '/run/docker.sock')
    .option('--apply', 'do it; without it nothing is changed');
  return withShared(command, 'tenant', 'controller', 'json').action((names: string[], typed: ImportTyped) =>
    importDocker(io, names, typed),
  );
}

async function importDocker(io: Io, names: readonly string[], typed: ImportTyped): Promise<void> {
  const tenant = requireTenant(typed);
  const { connectEngine, movable, stepsOf, commandOf, applyStep } = await load();
  const engine = await connectEngine(typed.engine, { signal: io.signal });
  const client = controllerClient(typed);
  const networks = await engine.networks();
  const containers = await Promise.all((await engine.containers()).map(({ Id }) => engine.container(Id)));
  const running = containers.filter((c) => c !== undefined); // one that ended meanwhile has nothing to move
  const all = movable(networks, running);
  const unknown = names.find((name) => !all.some((n) => n.name === name));
  if (unknown !== undefined)
    throw new HeddleError('NOT_FOUND', { kind: 'bridge or overlay network that a user made named', name: unknown });
  const found = all.filter((n) => names.length === 0 || names.includes(n.name));
  const present: Present = {
    ...(await tenantHas(io, typed, tenant)),
    docker: networks.map((n) => n.Name),
    engine: (await engine.info()).Name,
  };
  const moves = found.map((network) => ({ network, steps: stepsOf(network, present) }));
  const say = typed.json ? () => undefined : io.out;
  if (!typed.json && found.length > 0) io.out(overview(found));
  for (const { network, steps } of moves) {
    say(`\n# ${printable(network.name)}\n${notes(network)}`);
    for (const step of steps) {
      say(`${printable(commandOf(step, tenant))}\n`);
      if (typed.apply) await applyStep(step, { engine, client, tenant });
    }
    say(`# when nothing uses it any more: docker network rm ${printable(network.name)}\n`);
  }
  if (typed.json)
    printJson(io, {
      applied: typed.apply ?? false,
      networks: moves.map(({ network, steps }) => ({ ...network, commands: steps.map((s) => commandOf(s, tenant)) })),
    });
  else if (found.length === 0) io.err('there is no bridge or overlay network that a user made\n');
  else if (!typed.apply) io.err('\nnothing was changed: run the commands, or this one with --apply\n');
}

const overview = (found: readonly Movable[]): string =>
  table(
    ['network', 'driver', 'subnets', 'containers'],
    found.map((n) => [
      ...[n.name, n.driver],
      ...[n.ranges.map((r) => r.subnet), n.places.map((p) => p.container)].map((list) => list.join(', ') || '-'),
    ]),
  );

/** What does not come along. */
function notes({ losses, places }: Movable): string {
  const services = new Set(places.flatMap((p) => (p.service ? [p.service] : [])));
  const stay = [...services].map(
    (s) => `the tasks of service ${s} stay: a service is moved by "docker service update"`,
  );
  return [...losses, ...stay].map((note) => `# note: ${printable(note)}\n`).join('');
}

/** The tenant's networks; none if no controller answers, or the tenant is yet to be made, and nothing is to be changed. */
async function tenantHas(io: Io, typed: ImportTyped, tenant: string): Promise<Pick<Present, 'networks' | 'subnets'>> {
  const client = controllerClient(typed);
  try {
    const options = { tenant, signal: io.signal };
    return { networks: await client.list('network', options), subnets: await client.list('subnet', options) };
  } catch (e) {
    if (typed.apply || !(hasCode(e, 'CONTROLLER_UNREACHABLE') || hasCode(e, 'NOT_FOUND'))) throw e;
    if (!typed.json) io.err(`${e.message}; going on as if the tenant had nothing\n`);
    return { networks: [], subnets: [] };
  }
}

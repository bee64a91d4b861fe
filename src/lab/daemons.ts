/** The command lines of a lab's controller and agents: the same programs as in production. */
import { fileURLToPath } from 'node:url';
import { engineSocket } from './engine.ts';
import { type HostEngine, type HostPlan, type LabPlan, underlayListen } from './plan.ts';
import type { DaemonSpec } from './processes.ts';

const heddle = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  // MiB; by default the young generation alone may take 96, and daemons live long on many hosts.
  '--max-semi-space-size=4',
  fileURLToPath(new URL('../cli/main.ts', import.meta.url)),
];

/** As the launcher has it: with compiled sources a daemon starts in half the time, wherever the lab is made from. */
const env: NodeJS.ProcessEnv = {
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? fileURLToPath(new URL('../../.cache/node', import.meta.url)),
};

/** The pid file of the controller or of a host's agent. */
export const pidFile = (plan: LabPlan, target: 'controller' | HostPlan): string =>
  target === 'controller' ? `${plan.dir}/controller.pid` : `${target.dir}/agent.pid`;
/** The log of the controller or of a host's agent. */
export const logFile = (plan: LabPlan, target: 'controller' | HostPlan): string =>
  target === 'controller' ? `${plan.dir}/controller.log` : `${target.dir}/agent.log`;

/** The controller: it listens in the underlay, on its unix socket, and on descriptor 3. */
export function controllerDaemon(plan: LabPlan): DaemonSpec {
  return {
    argv: [
      ...heddle,
      'controller',
      ...(plan.wire ? [] : ['--listen', underlayListen]),
      ...['--fd', '3', '--socket', plan.controllerSocket, '--db', `${plan.dir}/controller.db`],
    ],
    netns: plan.netns,
    env,
    log: logFile(plan, 'controller'),
    pidFile: pidFile(plan, 'controller'),
  };
}

/** The address at which agents and `lab exec` find the controller; a wire has no room for its packets. */
export const controllerAddress = (plan: LabPlan): string =>
  plan.wire ? `unix:${plan.controllerSocket}` : `https://${underlayListen}`;

/** The token with which the lab's hosts join. */
export const joinTokenFile = (plan: LabPlan): string => `${plan.dir}/join-token`;

/** One host's agent. */
export function agentDaemon(plan: LabPlan, host: HostPlan): DaemonSpec {
  return {
    argv: [
      ...heddle,
      'agent',
      ...['--name', host.name, '--vtep', host.vtep],
      ...['--controller', controllerAddress(plan)],
      ...(plan.wire ? [] : ['--join-token-file', joinTokenFile(plan)]),
      ...['--socket', host.agentSocket, '--state-dir', `${host.dir}/state`, '--bpf-dir', `${plan.bpfDir}/${host.name}`],
      // Not there until somebody writes it: the machine's own resolvers cannot be reached from the lab.
      ...['--resolv-conf', `${host.dir}/resolv.conf`],
      ...(host.engine ? dockerOptions(host.engine) : []),
    ],
    netns: host.netns,
    env,
    log: logFile(plan, host),
    pidFile: pidFile(plan, host),
  };
}

/** What makes an agent the network driver of its host's engine. */
const dockerOptions = (engine: HostEngine): string[] => [
  ...engine.tenants.flatMap((tenant) => ['--docker-tenant', tenant]),
  ...['--docker-plugin', `${engine.plugins}/heddle.sock`, '--docker-engine', engineSocket(engine)],
];

/** The agent as a service of systemd. */
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openLocal } from '../client/local.ts';
import { must } from '../lab/run.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { defaults } from './command.ts';
import { projectRoot } from './launcher.ts';

const unit = 'heddle-agent.service';
const onlineMs = 30_000;
const stepMs = 200;

/** A word of a command line in a unit (systemd.syntax(7)). */
const quoted = (word: string): string =>
  `"${word.replace(/[\\"$%]/g, (c) => (c === '$' || c === '%' ? c + c : `\\${c}`))}"`;

/** The unit's text. Ending it ends the process alone: what the kernel carries goes on. */
const agentUnit = (argv: readonly string[]): string => `[Unit]
Description=Heddle agent
Documentation=file:${projectRoot}docs/README.md
After=network-online.target
Wants=network-online.target
# An engine that boots without its network driver does not start its containers.
Before=docker.service

[Service]
ExecStart=${[`${projectRoot}heddle`, 'agent', ...argv].map(quoted).join(' ')}
Restart=always
RestartSec=1
KillMode=process
LimitMEMLOCK=infinity

[Install]
WantedBy=multi-user.target
`;

/** Nothing is done yet by whoever asks: see sd_booted(3). @throws USAGE without systemd */
export function requireSystemd(): void {
  if (existsSync('/run/systemd/system')) return;
  throw new HeddleError('USAGE', {
    problem: 'there is no systemd here: leave --install out, and start "heddle agent" yourself',
  });
}

/** Where an agent of these options has its socket. */
export function socketOf(argv: readonly string[]): string {
  const { socket } = parseArgs({ args: [...argv], options: { socket: { type: 'string' } }, strict: false }).values;
  return typeof socket === 'string' ? socket : defaults.agent;
}

/** Installs and starts it, and resolves when the agent is connected. It may be done again. @throws LAB_FAILED, AGENT_UNREACHABLE */
export async function installAgent(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const socket = socketOf(argv);
  writeFileSync(`/etc/systemd/system/${unit}`, agentUnit(argv));
  await must(['systemctl', 'daemon-reload']);
  await must(['systemctl', 'enable', unit]);
  await must(['systemctl', 'restart', unit]);
  const end = Date.now() + onlineMs;
  while (!(await isConnected(socket))) {
    signal.throwIfAborted();
    if (Date.now() > end)
      throw new HeddleError('AGENT_UNREACHABLE', {
        socket,
        problem: `it is not connected after ${onlineMs / 1000} s: journalctl --unit ${unit}`,
      });
    await delay(stepMs, undefined, { signal });
  }
}

async function isConnected(socket: string): Promise<boolean> {
  try {
    const status = await openLocal(socket).request('GET', '/v1/status');
    return (status as { controller: { connected: boolean } }).controller.connected;
  } catch (e) {
    if (hasCode(e, 'AGENT_UNREACHABLE')) return false;
    throw e;
  }
}

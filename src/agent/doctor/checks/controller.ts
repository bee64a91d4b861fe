import { isUntimely } from '../../../client/tls.ts';
import { HeddleError } from '../../../model/errors.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, unknown, warn } from '../finding.ts';

/** What does not answer so soon is as good as gone for who asks. */
const deadlineMs = 3_000;

/** Whether controller and agent answer, and know of each other. */
interface ControllerFacts {
  readonly address: string;
  /** Why the controller does not answer. */
  readonly problem?: string;
  /** It does, and its certificate does not hold by this host's clock. */
  readonly untimely?: boolean;
  /** Hosts by name, and whether they are connected, as the controller says. */
  readonly hosts: ReadonlyMap<string, boolean>;
  /** This host's name; absent: no agent answers here. */
  readonly name?: string;
}

export function judgeController({ address, problem, untimely, hosts, name }: ControllerFacts): Finding[] {
  if (problem !== undefined)
    return [
      fail(
        problem,
        untimely
          ? 'heddle doctor clock says by how much the clocks differ; what is attached goes on'
          : 'see that it runs, that --controller names it, and that no firewall is between; what is attached goes on without it',
      ),
    ];
  if (name === undefined)
    return [
      ok(`the controller at ${address} answers`),
      unknown('no agent answers on this host', 'start it: heddle agent; or name its socket with --agent'),
    ];
  if (hosts.get(name)) return [ok(`the controller at ${address} answers, and has this host online`)];
  return [
    warn(
      `the controller at ${address} ${hosts.has(name) ? `has ${name} offline` : `knows no host ${name}`}`,
      'the agent tries again every few seconds; its log says why it is not connected',
    ),
  ];
}

export const controller = makeCheck({
  name: 'controller',
  about: 'the controller answers, and has this host online',
  gather: async ({ client, agent }, signal): Promise<ControllerFacts> => {
    const known = { address: client.address, ...(agent && { name: agent.name }) };
    try {
      const hosts = await client.list('host', { deadlineMs, signal });
      return { ...known, hosts: new Map(hosts.map((h) => [h.name, h.status.condition === 'online'])) };
    } catch (e) {
      if (e instanceof HeddleError)
        return { ...known, hosts: new Map(), problem: e.message, untimely: isUntimely(e.cause) };
      throw e;
    }
  },
  judge: judgeController,
});

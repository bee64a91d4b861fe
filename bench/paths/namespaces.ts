/** Network namespaces as the hosts and workloads of a path, joined by veth pairs. */
import { netnsPath } from '../../src/lab/plan.ts';
import { gone, pidsInNetns, signalPid } from '../../src/lab/processes.ts';
import { ipBatch } from '../../src/lab/run.ts';

/** Makes a namespace with its loopback up, and has the stack remove it with all processes in it; its name. */
export async function addNamespace(stack: AsyncDisposableStack, name: string): Promise<string> {
  await ipBatch([`netns add ${name}`]);
  stack.defer(() => removeNamespace(name));
  await ipBatch(['link set lo up'], name);
  return name;
}

async function removeNamespace(name: string): Promise<void> {
  const pids = pidsInNetns([name]);
  for (const pid of pids) signalPid(pid, 'SIGKILL');
  await gone(pids);
  await ipBatch([`netns delete ${name}`]);
}

/** One end of a veth pair. */
export interface VethEnd {
  readonly netns: string;
  readonly device: string;
  /** Address with prefix length; none on a bridge's port. */
  readonly address?: string;
  readonly mac?: string;
  readonly mtuBytes?: number;
  /** Bridge that it is a port of. */
  readonly bridge?: string;
}

/** Joins two namespaces by a veth pair and configures both ends. */
export async function addVeth(a: VethEnd, b: VethEnd): Promise<void> {
  await ipBatch([`link add ${a.device} type veth peer name ${b.device} netns ${b.netns}`], a.netns);
  for (const end of [a, b])
    await ipBatch(
      [
        ...(end.mac ? [`link set ${end.device} address ${end.mac}`] : []),
        ...(end.mtuBytes ? [`link set ${end.device} mtu ${end.mtuBytes}`] : []),
        ...(end.address ? [`address add ${end.address} dev ${end.device}`] : []),
        ...(end.bridge ? [`link set ${end.device} master ${end.bridge}`] : []),
        `link set ${end.device} up`,
      ],
      end.netns,
    );
}

/** The ends of a path between two of these namespaces, which the stack's resources make up. */
export function endsIn(stack: AsyncDisposableStack, server: string, client: string, address: string) {
  return {
    server: netnsPath(server),
    client: netnsPath(client),
    address,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

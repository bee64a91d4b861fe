/** Two containers on a Swarm overlay network between two real Docker engines. */
import { engineMissing } from '../../src/lab/engine.ts';
import { until } from '../../src/lab/processes.ts';
import { startContainer, startEngine } from './engine.ts';
import { addNamespace, addVeth } from './namespaces.ts';
import type { Path } from './path.ts';

const manager = '198.19.0.1';
const worker = '198.19.0.2';

export const dockerOverlay: Path = {
  name: 'docker-overlay',
  baseline: 'host',
  unavailable: engineMissing,
  async setUp(site) {
    await using stack = new AsyncDisposableStack();
    const a = await addNamespace(stack, `${site.prefix}-do-a`);
    const b = await addNamespace(stack, `${site.prefix}-do-b`);
    await addVeth(
      { netns: a, device: 'eth0', address: `${manager}/24` },
      { netns: b, device: 'eth0', address: `${worker}/24` },
    );
    const first = await startEngine(stack, site, a, ['--bridge', 'none']);
    const second = await startEngine(stack, site, b, ['--bridge', 'none']);
    await first.docker('swarm', 'init', '--advertise-addr', manager);
    const token = await first.docker('swarm', 'join-token', '--quiet', 'worker');
    await second.docker('swarm', 'join', '--advertise-addr', worker, '--token', token, `${manager}:2377`);
    await first.docker('network', 'create', '--driver', 'overlay', '--attachable', '--subnet', '10.99.0.0/24', 'bench');
    const client = await startContainer(first, 'client', 'bench');
    // A worker hears of an attachable network only when it asks for it, and may ask before it is told.
    const server = await until(
      'the worker joining the overlay network',
      20_000,
      () => startContainer(second, 'server', 'bench'),
      site.signal,
    );
    const owned = stack.move();
    return {
      server: server.netns,
      client: client.netns,
      address: server.address,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  },
};

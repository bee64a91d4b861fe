/** Two namespaces joined by one veth: as two hosts and their wire, or as two workloads of one host. Nothing in between. */
import { addNamespace, addVeth, endsIn } from './namespaces.ts';
import type { Path } from './path.ts';

/** The limit that the other paths are compared with. */
export function bareVeth(name: 'host' | 'host-local'): Path {
  return {
    name,
    baseline: name,
    async setUp({ prefix }) {
      await using stack = new AsyncDisposableStack();
      const a = await addNamespace(stack, `${prefix}-${name}-a`);
      const b = await addNamespace(stack, `${prefix}-${name}-b`);
      await addVeth(
        { netns: a, device: 'eth0', address: '198.19.0.1/24' },
        { netns: b, device: 'eth0', address: '198.19.0.2/24' },
      );
      return endsIn(stack.move(), b, a, '198.19.0.2');
    },
  };
}

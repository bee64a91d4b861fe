/** Two workloads on a plain Linux bridge of one host. */
import { ipBatch } from '../../src/lab/run.ts';
import { addNamespace, addVeth, endsIn } from './namespaces.ts';
import type { Path } from './path.ts';

export const linuxBridgeLocal: Path = {
  name: 'linux-bridge-local',
  baseline: 'host-local',
  async setUp({ prefix }) {
    await using stack = new AsyncDisposableStack();
    const host = await addNamespace(stack, `${prefix}-lb-host`);
    const a = await addNamespace(stack, `${prefix}-lb-a`);
    const b = await addNamespace(stack, `${prefix}-lb-b`);
    await ipBatch(['link add br0 type bridge forward_delay 0 stp_state 0', 'link set br0 up'], host);
    await addVeth({ netns: a, device: 'eth0', address: '10.99.0.1/24' }, { netns: host, device: 'pa', bridge: 'br0' });
    await addVeth({ netns: b, device: 'eth0', address: '10.99.0.2/24' }, { netns: host, device: 'pb', bridge: 'br0' });
    return endsIn(stack.move(), b, a, '10.99.0.2');
  },
};

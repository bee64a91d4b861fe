/** Two hosts with a Linux bridge and a VXLAN device each; every MAC is in the FDB, nothing is learned or flooded. */
import { ipBatch, must } from '../../src/lab/run.ts';
import { addNamespace, addVeth, endsIn } from './namespaces.ts';
import type { Path } from './path.ts';

/** Outer header of VXLAN over IPv4: 20 + 8 + 8, and the inner Ethernet header's 14 bytes. */
const OVERHEAD_BYTES = 50;
const sides = ['a', 'b'] as const;
const number = { a: 1, b: 2 };
const mac = (side: 'a' | 'b') => `02:00:00:00:00:0${number[side]}`;
const vtep = (side: 'a' | 'b') => `198.19.0.${number[side]}`;
const other = (side: 'a' | 'b') => (side === 'a' ? 'b' : 'a');

export const linuxVxlan: Path = {
  name: 'linux-vxlan',
  baseline: 'host',
  async setUp({ prefix }) {
    await using stack = new AsyncDisposableStack();
    const host = { a: '', b: '' };
    const workload = { a: '', b: '' };
    for (const side of sides) {
      host[side] = await addNamespace(stack, `${prefix}-lv-h${side}`);
      workload[side] = await addNamespace(stack, `${prefix}-lv-w${side}`);
    }
    await addVeth(
      { netns: host.a, device: 'eth0', address: `${vtep('a')}/24` },
      { netns: host.b, device: 'eth0', address: `${vtep('b')}/24` },
    );
    for (const side of sides) {
      await ipBatch(
        [
          'link add br0 type bridge forward_delay 0 stp_state 0',
          'link set br0 up',
          `link add vx0 type vxlan id 99 local ${vtep(side)} dev eth0 dstport 4789 nolearning`,
          'link set vx0 master br0 up',
        ],
        host[side],
      );
      await addVeth(
        {
          netns: workload[side],
          device: 'eth0',
          address: `10.99.0.${number[side]}/24`,
          mac: mac(side),
          mtuBytes: 1500 - OVERHEAD_BYTES,
        },
        { netns: host[side], device: 'p0', bridge: 'br0', mtuBytes: 1500 - OVERHEAD_BYTES },
      );
    }
    for (const side of sides) {
      const far = other(side);
      await bridgeBatch(host[side], [
        `fdb add ${mac(far)} dev vx0 dst ${vtep(far)} self permanent`,
        `fdb add ${mac(far)} dev vx0 master static`,
      ]);
      await ipBatch([`neigh add 10.99.0.${number[far]} lladdr ${mac(far)} dev eth0`], workload[side]);
    }
    return endsIn(stack.move(), workload.b, workload.a, '10.99.0.2');
  },
};

async function bridgeBatch(netns: string, commands: readonly string[]): Promise<void> {
  await must(['bridge', '-n', netns, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

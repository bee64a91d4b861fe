/** Two containers on the default bridge of one Docker engine. */
import { engineMissing } from '../../src/lab/engine.ts';
import { startContainer, startEngine } from './engine.ts';
import { addNamespace } from './namespaces.ts';
import type { Path } from './path.ts';

export const docker0Local: Path = {
  name: 'docker0-local',
  baseline: 'host-local',
  unavailable: engineMissing,
  async setUp(site) {
    await using stack = new AsyncDisposableStack();
    const host = await addNamespace(stack, `${site.prefix}-d0`);
    const engine = await startEngine(stack, site, host);
    const client = await startContainer(engine, 'client', 'bridge');
    const server = await startContainer(engine, 'server', 'bridge');
    const owned = stack.move();
    return {
      server: server.netns,
      client: client.netns,
      address: server.address,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  },
};

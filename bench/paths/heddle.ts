/** Two workloads of a lab: real controller, agents and datapath. */
import { openLocal } from '../../src/client/local.ts';
import { createLab, type Lab, type LabHost } from '../../src/lab/lab.ts';
import type { Path, Site } from './path.ts';

/** The tenant and the network of every workload. */
export const tenant = 'bench';
export const network = 'bench';

/** Makes a lab of two hosts and one wire, perhaps with engines, and a network to attach to; the stack removes it. */
export async function benchLab(
  stack: AsyncDisposableStack,
  { signal, progress }: Site,
  name: string,
  { engines = false } = {},
): Promise<Lab> {
  const options = { name, wire: true, hosts: 2, ...(engines && { dockerTenants: [tenant] }) };
  const lab = stack.use(await createLab({ ...options, signal, onProgress: progress }));
  const client = lab.client();
  if (!engines) await client.create('tenant', { name: tenant });
  await client.create('network', { name: network }, { tenant });
  await client.create('subnet', { name: 'v4', network, cidr: '10.99.0.0/16' }, { tenant });
  return lab;
}

/** What the agent answers to an attach, as far as it is used here. */
interface Attached {
  readonly port: { readonly id: string; readonly addresses: readonly string[] };
  readonly ifname: string;
}

/** Attaches a namespace through the agent's socket: to a port, or to another network than the usual one. */
export function attach(host: LabHost, netns: string, port?: string, on = network): Promise<Attached> {
  const body = { kind: 'netns', target: netns, tenant, network: on, ...(port && { port }) };
  return openLocal(host.agentSocket).request('POST', '/v1/attachments', { body }) as Promise<Attached>;
}

/** Detaches a port through the agent's socket. */
export async function detach(host: LabHost, port: string): Promise<void> {
  await openLocal(host.agentSocket).request('DELETE', `/v1/attachments/${port}`);
}

/** Heddle between two hosts, or between two workloads of one. */
export function heddlePath(name: 'heddle' | 'heddle-local'): Path {
  const across = name === 'heddle';
  return {
    name,
    baseline: across ? 'host' : 'host-local',
    async setUp(site) {
      await using stack = new AsyncDisposableStack();
      const lab = await benchLab(stack, site, `${site.prefix}${across ? 'x' : 'l'}`);
      const server = await lab.addWorkload('server');
      const client = await lab.addWorkload('client');
      const attached = await attach(lab.host(across ? 'h2' : 'h1'), server);
      await attach(lab.host('h1'), client);
      const owned = stack.move();
      return {
        server,
        client,
        address: attached.port.addresses[0]!,
        [Symbol.asyncDispose]: () => owned.disposeAsync(),
      };
    },
  };
}

/** Between two hosts and two networks, which a router joins. */
export const heddleRouted: Path = {
  name: 'heddle-routed',
  baseline: 'heddle',
  async setUp(site) {
    await using stack = new AsyncDisposableStack();
    const lab = await benchLab(stack, site, `${site.prefix}r`);
    const client = lab.client();
    await client.create('network', { name: 'other' }, { tenant });
    await client.create('subnet', { name: 'other', network: 'other', cidr: '10.98.0.0/16' }, { tenant });
    const from = await lab.addWorkload('client');
    const to = await lab.addWorkload('server');
    await attach(lab.host('h1'), from);
    const { port } = await attach(lab.host('h2'), to, undefined, 'other');
    await client.create('router', { name: 'r', subnets: ['v4', 'other'] }, { tenant, waitMs: 20_000 });
    const owned = stack.move();
    return {
      server: to,
      client: from,
      address: port.addresses[0]!,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  },
};

import type { Port } from '../../src/model/kinds.ts';
import type { Rig } from '../agent/rig.ts';
import { DnsClient } from './dns-client.ts';

/** The gateway addresses of a rig's network "web". */
export const gateway = { four: '10.0.0.1', six: 'fd00:1::1' } as const;

/** A workload that is attached under a name, with a DNS client in it; disposing removes both. */
export interface Station extends AsyncDisposable {
  readonly port: Port;
  readonly client: DnsClient;
  readonly four: string;
  readonly six: string;
  readonly netns: string;
  detach(): Promise<unknown>;
}

/** Attaches a new workload on network "web". */
export async function openStation(
  rig: Rig,
  host: string,
  port: string,
  over: { tenant?: string; addresses?: string[] } = {},
): Promise<Station> {
  await using open = new AsyncDisposableStack();
  const workload = open.use(await rig.workload());
  const attached = await rig.attach(host, { target: workload.path, port, ...over });
  const client = open.use(new DnsClient(workload.path));
  const [four = '', six = ''] = attached.port.addresses;
  const all = open.move();
  return {
    port: attached.port,
    client,
    four,
    six,
    netns: workload.path,
    detach: () => rig.detach(host, attached.port.id),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Doing the steps of a move. */
import type { Client } from '../client/client.ts';
import { HeddleError } from '../model/errors.ts';
import type { Engine } from './engine-api.ts';
import type { Place, Step } from './import-plan.ts';

/** Where the steps are done. */
export interface Destination {
  readonly engine: Pick<Engine, 'post'>;
  readonly client: Pick<Client, 'create'>;
  readonly tenant: string;
}

/** Does one step. A container that cannot be connected goes back to where it was. @throws what controller or engine refuse */
export async function applyStep(step: Step, { engine, client, tenant }: Destination): Promise<void> {
  switch (step.do) {
    case 'make-network': {
      const { name, mtuBytes, sourceNat, labels } = step;
      await client.create('network', { name, sourceNat, labels, ...(mtuBytes && { mtuBytes }) }, { tenant });
      return;
    }
    case 'make-subnet': {
      const { name, network, range } = step;
      const { subnet: cidr, gateway, pool } = range;
      const body = { name, network, cidr, ...(gateway && { gateway }), ...(pool && { pools: [pool] }) };
      await client.create('subnet', body, { tenant });
      return;
    }
    case 'join':
      return engine.post('/networks/create', networkBody(step, tenant));
    case 'move':
      return move(step, engine);
  }
}

function networkBody({ name, network, from }: Step & { do: 'join' }, tenant: string): object {
  return {
    Name: name,
    CheckDuplicate: true,
    Driver: 'heddle',
    Internal: from.internal,
    EnableIPv6: from.ranges.some((r) => r.subnet.includes(':')),
    IPAM: {
      Driver: 'heddle',
      Options: { 'heddle.tenant': tenant, 'heddle.network': network },
      Config: from.ranges.map((r) => ({
        Subnet: r.subnet,
        ...(r.gateway && { Gateway: r.gateway }),
        AuxiliaryAddresses: r.reserved,
      })),
    },
  };
}

async function move({ place, from, to }: Step & { do: 'move' }, engine: Destination['engine']): Promise<void> {
  await engine.post(`/networks/${encodeURIComponent(from)}/disconnect`, { Container: place.container });
  try {
    await connect(engine, to, place);
  } catch (cause) {
    await connect(engine, from, place).catch((second: unknown) => {
      const request = `to connect container ${place.container}, which is on neither network now`;
      const problem = second instanceof Error ? second.message : String(second);
      throw new HeddleError('ENGINE_REFUSED', { request, status: 0, problem }, cause);
    });
    throw cause;
  }
}

function connect(engine: Destination['engine'], network: string, place: Place): Promise<void> {
  const v4 = place.addresses.find((a) => !a.includes(':'));
  const v6 = place.addresses.find((a) => a.includes(':'));
  return engine.post(`/networks/${encodeURIComponent(network)}/connect`, {
    Container: place.container,
    EndpointConfig: {
      IPAMConfig: { ...(v4 && { IPv4Address: v4 }), ...(v6 && { IPv6Address: v6 }) },
      Aliases: place.aliases,
    },
  });
}

/** What a client asks of servers, and what it is told. */
import type { Port } from '../../src/model/kinds.ts';
import type { Client } from './cast.ts';
import { gateways, type Leg, mtu } from './town.ts';

export const families = [4, 6] as const;
export type Family = (typeof families)[number];

/** What is asked of every cell: name, and what it shows. */
export const checks = {
  ping: 'an echo',
  mtu: 'an echo that just fits',
  pieces: 'an echo of three times the MTU, in fragments',
  tcp: 'TCP both ways, content and server the right ones',
  name: 'the server’s name, with its network’s if that is another',
  told: 'what is too large and may not be cut is answered with the MTU',
  alone: 'neither the server nor its twin hears of the other tenant',
} as const;
export type Check = keyof typeof checks;

/** The key of a server's address. */
export const keyOf = (leg: Pick<Leg, 'name'>, family: Family): string => `${leg.name}/${family}`;
/** By key and check: "ok", or what was wrong. */
export type Answers = ReadonlyMap<string, string>;

const addressOf = (port: Port, family: Family): string =>
  port.addresses.find((ip) => ip.includes(':') === (family === 6)) ?? 'none';

/** Asks all servers at once, in two rounds: the second with packets that do not fit. `ports`: by name. */
export async function askAll(
  client: Client,
  servers: readonly Leg[],
  ports: ReadonlyMap<string, Port>,
  tenant: string,
): Promise<Answers> {
  const own = ports.get(client.port)!;
  const targets = servers.flatMap((leg) =>
    families.map((family) => {
      const [source, address] = [own, ports.get(leg.name)!].map((port) => addressOf(port, family));
      const name = leg.side === 'left' ? leg.name : `${leg.name}.${leg.side}`;
      const resolver = client.resolver === 'own' ? '-' : gateways('left')[family];
      return [keyOf(leg, family), source, address, leg.machine, name, resolver].join(',');
    }),
  );
  const told = await client.ask(['ask', tenant, `${mtu}`, 'all', ...targets]);
  await client.widen(mtu + 50);
  const toldMore = await client.ask(['ask', tenant, `${mtu}`, 'told', ...targets]);
  await client.widen(mtu);
  const lines = `${told}${toldMore}`.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [key = '', check = '', ...result] = line.split(' ');
      return [`${key} ${check}`, result.join(' ')];
    }),
  );
}

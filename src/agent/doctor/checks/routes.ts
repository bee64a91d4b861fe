import { linkRange4, linkRange6 } from '../../../gateway/link-addresses.ts';
import { RTPROT_HEDDLE } from '../../../kernel/address.ts';
import { linkList } from '../../../kernel/link.ts';
import { leadsByMain, routeList } from '../../../kernel/route.ts';
import { contains, type Interval, type Ip, ipFamily, ipNumber, overlap } from '../../../model/address.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';

/** Where this host sends what, and what Heddle has in use. */
interface RouteFacts {
  /** This host's own routes but the default ones. */
  readonly routes: readonly { readonly destination: string; readonly device: string }[];
  /** Networks here, with their prefixes. */
  readonly networks: readonly {
    readonly name: string;
    readonly prefixes: readonly string[];
    readonly sourceNat: boolean;
  }[];
}

export function judgeRoutes({ routes, networks }: RouteFacts): Finding[] {
  const own = [linkRange4, linkRange6].map((text) => ({ text, prefix: intervalOf(text) }));
  const found = routes.flatMap(({ destination, device }): Finding[] => {
    const route = intervalOf(destination);
    // A wider one, as 169.254.0.0/16 often is there, does no harm: Heddle's routes are longer.
    const inside = own.find(({ prefix }) => contains(prefix, route));
    if (inside)
      return [
        fail(
          `this host reaches ${destination} by ${device}, and Heddle has ${inside.text} for its gateways`,
          `give what is behind ${device} other addresses`,
        ),
      ];
    return hidden(route, networks).map(({ name, text }) =>
      warn(
        `network ${name} has ${text}, and this host reaches ${destination} by ${device}: workloads of the network do not get there`,
        'give the network another subnet, if they should',
      ),
    );
  });
  return found.length > 0 ? found : [ok('no route of this host overlaps what Heddle has in use')];
}

/** The addresses of a prefix with host bits zero, whatever they are: a host may have routes to any. */
function intervalOf(prefix: string): Interval {
  const [address = '', length = ''] = prefix.split('/');
  const family = ipFamily(address);
  const first = ipNumber(address as Ip);
  return { family, first, last: first + (1n << BigInt((family === 4 ? 32 : 128) - Number(length))) - 1n };
}

/** Prefixes of networks with a way outside that overlap the route; a network without one sees nothing of the host's. */
const hidden = (route: Interval, networks: RouteFacts['networks']): { name: string; text: string }[] =>
  networks
    .filter(({ sourceNat }) => sourceNat)
    .flatMap(({ name, prefixes }) =>
      prefixes.filter((text) => overlap(intervalOf(text), route)).map((text) => ({ name, text })),
    );

export const routes = makeCheck({
  name: 'routes',
  about: 'this host’s routes against networks’ subnets and Heddle’s own ranges',
  gather: ({ nl, agent }): RouteFacts => {
    const links = new Map(linkList(nl).map((l) => [l.ifindex, l]));
    const found = routeList(nl).flatMap((route) => {
      const link = links.get(route.oif ?? 0);
      const isOurs = route.protocol === RTPROT_HEDDLE || link?.alias?.startsWith('heddle:');
      const isPlain = leadsByMain(route) && !/\/0$|^f[ef]/.test(route.dst);
      return link && isPlain && !isOurs ? [{ destination: route.dst, device: link.name }] : [];
    });
    return { routes: found, networks: agent?.networks ?? [] };
  },
  judge: judgeRoutes,
});

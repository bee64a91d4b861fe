/** What a DHCPv6 client is answered (RFC 8415 §18.3). Pure: its message and what its port has, nothing else decides. */
import { gatewayMac, type Ip, ipFamily, macBytes, prefixHas } from '../../model/address.ts';
import { type Association, type Given, option6, type Reply6, type Request6, status6 } from './message6.ts';
import { addressBytes, domainBytes, joined, textBytes } from './options.ts';
import type { Settings6 } from './settings.ts';

/** Why a request has no answer. */
export type Silence6 = 'malformed' | 'relayed' | 'other_server' | 'no_address';

/** A gateway is the same server on every host: its identity comes from its MAC (DUID-LL, RFC 8415 §11.4). */
export const serverDuid: Uint8Array = joined([0, 3, 0, 1], macBytes(gatewayMac));

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** The server that a message must, may or must not name (RFC 8415 §16). */
const naming: Readonly<Partial<Record<Request6['type'], 'ours' | 'none' | 'either'>>> = {
  solicit: 'none',
  request: 'ours',
  confirm: 'none',
  renew: 'ours',
  rebind: 'none',
  release: 'ours',
  decline: 'ours',
  'information-request': 'either',
};

/** The answer to a port's request, or why there is none. */
export function answer6(request: Request6, settings: Settings6 | undefined): Reply6 | Silence6 {
  const { type, server, client } = request;
  if (type === 'relay-forward') return 'relayed';
  const names = naming[type];
  if (!names || (!client && type !== 'information-request')) return 'malformed';
  if (server ? names === 'none' : names === 'ours') return 'malformed';
  if (server && !same(server, serverDuid)) return 'other_server';
  if (!settings) return 'no_address';
  const tell = (more: Partial<Reply6>): Reply6 => ({
    type: 'reply',
    to: request,
    server: serverDuid,
    rapidCommit: false,
    given: [],
    options: optionsOf(request, settings),
    ...more,
  });
  switch (type) {
    case 'information-request':
      return request.associations.length > 0 ? 'malformed' : tell({});
    case 'solicit':
      return tell({
        type: request.rapidCommit ? 'reply' : 'advertise',
        rapidCommit: request.rapidCommit,
        given: give(request, settings),
      });
    case 'confirm':
      return confirmed(request, settings, tell);
    case 'release':
    case 'decline':
      // The address is the port's whatever the client says of it.
      return tell({ status: status6.success, options: [] });
    default:
      return tell({ given: give(request, settings) });
  }
}

function confirmed(request: Request6, settings: Settings6, tell: (more: Partial<Reply6>) => Reply6) {
  const used = request.associations.flatMap((a) => a.addresses);
  if (used.length === 0) return 'malformed';
  const own = used.every((ip) => settings.addresses.some((a) => a.ip === ip));
  return tell({ status: own ? status6.success : status6.notOnLink });
}

/** All of the port's addresses to the first who asks for some; what a client names besides is none of its own any more. */
function give({ type, associations }: Request6, settings: Settings6): Given[] {
  const first = associations.find((a) => a.kind === 'addresses');
  const isOnLink = (ip: Ip): boolean => settings.prefixes.some((prefix) => prefixHas(prefix, ip));
  return associations.map((to) => {
    // Of another link: it forgets them, and asks anew without (RFC 8415 §18.3.2).
    if (type === 'request' && !to.addresses.every(isOnLink)) return { to, addresses: [], status: status6.notOnLink };
    // There never was one; what to do then is for the client to choose (RFC 8415 §18.3.4).
    if (type === 'renew' && to.kind === 'prefixes') return { to, addresses: [], status: status6.noBinding };
    const own = to === first ? settings.addresses : [];
    const lost = to.addresses.filter((ip) => !own.some((a) => a.ip === ip));
    const addresses = [...own, ...lost.map((ip) => ({ ip, seconds: 0 }))];
    return { to, addresses, ...(own.length === 0 && { status: none(to) }) };
  });
}
const none = ({ kind }: Association): number => (kind === 'prefixes' ? status6.noPrefix : status6.noAddresses);

function optionsOf({ wanted }: Request6, { dns, domain, bootFile }: Settings6): [number, Uint8Array][] {
  return [
    [option6.dns, addressBytes(dns.filter((ip) => ipFamily(ip) === 6))],
    [option6.search, domainBytes(domain)],
    ...(bootFile !== undefined && wanted.has(option6.bootFile)
      ? [[option6.bootFile, textBytes(bootFile)] as [number, Uint8Array]]
      : []),
  ];
}

/** What a DHCPv4 client is answered (RFC 2131 §4.3). Pure: its message and what its port has, nothing else decides. */
import { isIPv4 } from 'node:net';
import { type Ip, ipBytes, ipFamily, ipOfNumber, ipText } from '../../model/address.ts';
import { address4, number4, option4, type Reply4, type Request4, routeBytes } from './message4.ts';
import { addressBytes, be16, be32, domainBytes, textBytes } from './options.ts';
import type { Settings4 } from './settings.ts';

/** Why a request has no answer, or needs none. */
export type Silence4 = 'malformed' | 'relayed' | 'other_server' | 'no_address' | 'declined' | 'released';

const NOBODY = '0.0.0.0' as Ip;

/** The answer to a port's request, or why there is none. */
export function answer4(request: Request4, settings: Settings4 | undefined): Reply4 | Silence4 {
  if (request.giaddr !== NOBODY) return 'relayed';
  if (!settings) return 'no_address';
  const server = address4(request, option4.server);
  switch (request.type) {
    case 'discover':
      if (!settings.isGiven) return 'no_address';
      return give(request, settings, request.options.has(option4.rapidCommit) ? 'ack' : 'offer');
    case 'request':
      return settings.isGiven ? requested(request, settings, server) : 'no_address';
    case 'inform':
      return request.ciaddr === settings.address ? tell(request, settings) : 'malformed';
    case 'decline':
      return 'declined';
    case 'release':
      return 'released';
    default:
      return 'malformed'; // a server's message
  }
}

/** Selecting names the server, rebooting only the address, renewing and rebinding use it (RFC 2131 §4.3.2). */
function requested(request: Request4, settings: Settings4, server: Ip | undefined): Reply4 | Silence4 {
  if (server !== undefined && server !== settings.gateway) return 'other_server';
  const wanted = request.ciaddr === NOBODY ? address4(request, option4.requestedAddress) : request.ciaddr;
  if (wanted === undefined) return 'malformed';
  return wanted === settings.address ? give(request, settings, 'ack') : refuse(request, settings);
}

const refuse = (request: Request4, { gateway }: Settings4): Reply4 => ({
  type: 'nak',
  to: request,
  options: [[option4.server, ipBytes(gateway)], ...clientOf(request)],
});

/** The client's own number for itself goes back (RFC 6842). */
function clientOf({ options }: Request4): [number, Uint8Array][] {
  const client = options.get(option4.client);
  return client ? [[option4.client, client]] : [];
}

function give(request: Request4, settings: Settings4, type: 'offer' | 'ack'): Reply4 {
  const { leaseSeconds } = settings;
  const times: Reply4['options'] = [
    [option4.leaseSeconds, be32(leaseSeconds)],
    [option4.renewSeconds, be32(Math.floor(leaseSeconds / 2))],
    [option4.rebindSeconds, be32(Math.floor(leaseSeconds * 0.875))],
  ];
  const rapid = type === 'ack' && request.type === 'discover';
  const told = tell(request, settings);
  const [server, ...rest] = told.options;
  const options = [server!, ...times, ...(rapid ? [[option4.rapidCommit, []] as const] : []), ...rest];
  return { ...told, type, yiaddr: settings.address, options };
}

/** All but the address and its times. */
function tell(request: Request4, settings: Settings4): Reply4 {
  const { gateway, bootServer, bootFile } = settings;
  const siaddr = bootServer !== undefined && isIPv4(bootServer) ? (bootServer as Ip) : undefined;
  return {
    type: 'ack',
    to: request,
    ...(siaddr && { siaddr }),
    ...(bootFile !== undefined && { file: bootFile }),
    options: [[option4.server, ipBytes(gateway)], ...clientOf(request), ...wantedOptions(request, settings)],
  };
}

/** What everybody is told, and what this client has asked for besides. The first ones matter most. */
function wantedOptions(request: Request4, settings: Settings4): Reply4['options'] {
  const { prefix, gateway, mtuBytes, dns, domain, hostName, bootServer, bootFile } = settings;
  const asked = request.options.get(option4.wanted);
  const wants = (code: number): boolean => asked?.includes(code) ?? true;
  const routes = classless(settings);
  const mask = ((1n << BigInt(prefix.length)) - 1n) << BigInt(32 - prefix.length);
  const all: (readonly [number, ArrayLike<number>, boolean])[] = [
    [option4.mask, ipBytes(ipOfNumber(mask, 4)), true],
    [option4.routes, routes, wants(option4.routes)],
    [option4.router, ipBytes(gateway), true],
    [option4.dns, addressBytes(dns.filter((ip) => ipFamily(ip) === 4)), true],
    [option4.mtu, be16(mtuBytes), true],
    [option4.domain, textBytes(domain), true],
    [option4.bootFile, textBytes(bootFile ?? ''), bootFile !== undefined && wants(option4.bootFile)],
    [option4.bootServer, textBytes(bootServer ?? ''), bootServer !== undefined && wants(option4.bootServer)],
    [option4.hostName, textBytes(hostName), wants(option4.hostName)],
    [option4.search, domainBytes(domain), wants(option4.search)],
    // Only those who do not know the standard's number ask for the other one.
    [option4.routesMicrosoft, routes, asked?.includes(option4.routesMicrosoft) ?? false],
  ];
  return all.filter(([, value, wanted]) => wanted && value.length > 0).map(([code, value]) => [code, value] as const);
}

/** Who reads these does not read the router's option, so the default route is among them (RFC 3442). */
function classless({ routes, gateway }: Settings4): Uint8Array {
  if (routes.length === 0) return new Uint8Array();
  const listed = routes.map(({ to, via }) => ({ length: to.length, first: ipOfNumber(to.first, 4), via }));
  return routeBytes([...listed, { length: 0, first: NOBODY, via: gateway }]);
}

/** Where an answer goes: the client may have no address yet (RFC 2131 §4.1). */
export function addressee({ type, to, yiaddr }: Reply4): Ip {
  const everybody = ipText([255, 255, 255, 255]);
  if (type === 'nak') return everybody;
  if (to.ciaddr !== NOBODY) return to.ciaddr;
  return to.broadcast || !yiaddr ? everybody : yiaddr;
}

/** The largest message that the client takes: what it says, but no more than its link carries; 576 bytes by default. */
export function sizeMax4(request: Request4, mtuBytes: number): number {
  const headers = 28; // IPv4 and UDP
  const said = number4(request, option4.maxSize) ?? 576;
  return Math.min(Math.max(said, 576), mtuBytes) - headers;
}

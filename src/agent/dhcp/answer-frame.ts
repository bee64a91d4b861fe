/** From a frame that a port sent to the frame that it gets. Pure. */
import { gatewayMac, type Ip, ipText, linkLocal, type Mac } from '../../model/address.ts';
import { advertisement, type Hears, isSolicitation } from './advertisement.ts';
import { addressee, answer4, type Silence4, sizeMax4 } from './answer4.ts';
import { answer6, type Silence6 } from './answer6.ts';
import { icmp6Frame, type Read, readFrame, udpFrame } from './frame.ts';
import { encodeReply4, parseRequest4, type Reply4 } from './message4.ts';
import { encodeReply6, parseRequest6, type Reply6 } from './message6.ts';
import { type Network, type Port, settings4, settings6 } from './settings.ts';

/** UDP ports: of servers and clients. */
const [SERVER4, CLIENT4, SERVER6, CLIENT6] = [67, 68, 547, 546];
const EVERYBODY = ipText([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
const NOBODY = '::' as Ip;

/** A port that asks, with all that decides about its answer. */
export interface Asker {
  readonly network: Network;
  readonly port: Port & { readonly mac: Mac };
  readonly mtuBytes: number;
  /** Less than all if others set up its interface, or its LAN has a router: another one would change its routes. */
  readonly hears: Hears;
}

/** What was answered. */
export type AnswerKind = Reply4['type'] | Reply6['type'] | 'advertisement';
/** Why nothing was. `other_mac`: it asks for another station than it is. */
export type Silence = Silence4 | Silence6 | 'other_mac' | 'unheard';
/** What came of a frame. */
export type Answer = { readonly kind: AnswerKind; readonly frame: Uint8Array } | Silence;

/** The answer to a frame of the port's. */
export function answerFrame(frame: Uint8Array, asker: Asker): Answer {
  const packet = readFrame(frame);
  if (!packet) return 'malformed';
  if (packet.from.mac !== asker.port.mac) return 'other_mac';
  if (packet.protocol === 'icmp6') return solicited(packet, asker);
  if (packet.fromPort === CLIENT4 && packet.toPort === SERVER4) return answered4(packet, asker);
  if (packet.fromPort === CLIENT6 && packet.toPort === SERVER6) return answered6(packet, asker);
  return 'malformed';
}

function answered4(packet: Read, { network, port, mtuBytes }: Asker): Answer {
  const request = parseRequest4(packet.payload);
  if (!request) return 'malformed';
  if (request.mac !== port.mac) return 'other_mac';
  const settings = settings4(network, port, mtuBytes);
  const reply = answer4(request, settings);
  if (typeof reply === 'string') return reply;
  const way = {
    from: { mac: gatewayMac, ip: settings!.gateway },
    to: { mac: port.mac, ip: addressee(reply) },
  };
  const message = encodeReply4(reply, sizeMax4(request, mtuBytes));
  return { kind: reply.type, frame: udpFrame(way, SERVER4, CLIENT4, message) };
}

function answered6(packet: Read, { network, port, mtuBytes }: Asker): Answer {
  const request = parseRequest6(packet.payload);
  if (!request) return 'malformed';
  const reply = answer6(request, settings6(network, port, mtuBytes));
  if (typeof reply === 'string') return reply;
  const way = { from: router, to: packet.from };
  return { kind: reply.type, frame: udpFrame(way, SERVER6, CLIENT6, encodeReply6(reply)) };
}

const router = { mac: gatewayMac, ip: linkLocal(gatewayMac) };

function solicited(packet: Read, asker: Asker): Answer {
  if (!isSolicitation(packet, asker.port.mac)) return 'malformed';
  const to = packet.from.ip === NOBODY ? EVERYBODY : packet.from.ip;
  const frame = announcement(asker, to);
  if (!frame) return asker.hears === 'nothing' ? 'unheard' : 'no_address';
  return { kind: 'advertisement', frame };
}

/** The advertisement for a port, also for one that did not ask; undefined if there is none for it. */
export function announcement({ network, port, mtuBytes, hears }: Asker, to = EVERYBODY): Uint8Array | undefined {
  const settings = settings6(network, port, mtuBytes);
  if (!settings || hears === 'nothing') return undefined;
  return icmp6Frame({ from: router, to: { mac: port.mac, ip: to } }, advertisement(settings, hears));
}

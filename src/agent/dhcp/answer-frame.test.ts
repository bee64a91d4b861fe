/** Frames of real clients, answered; and the same frames broken in every way, to which nothing happens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gatewayMac, type Ip, linkLocal, type Mac } from '../../model/address.ts';
import { type Asker, announcement, answerFrame } from './answer-frame.ts';
import { icmp6Sound, readFrame } from './frame.ts';
import { option4, parseRequest4 } from './message4.ts';
import { parseRequest6 } from './message6.ts';
import { domainBytes } from './options.ts';
import { settings4 } from './settings.ts';
import { clientFrames, clientMac } from './test-clients.ts';

const asker: Asker = {
  network: {
    name: 'web',
    tenant: 'acme',
    subnets: [
      { cidr: '10.0.0.0/24', gateway: '10.0.0.1' as Ip },
      { cidr: 'fd00:1::/64', gateway: 'fd00:1::1' as Ip },
    ],
  },
  port: { name: 'vm1', mac: clientMac as Mac, addresses: ['10.0.0.2', 'fd00:1::2'] as Ip[] },
  mtuBytes: 1450,
  hears: 'router',
};
const answered = (frame: Uint8Array, by: Asker = asker) => {
  const answer = answerFrame(frame, by);
  assert.ok(typeof answer !== 'string', String(answer));
  return { ...answer, packet: readFrame(answer.frame)! };
};
const kindOf = (frame: Uint8Array, by: Asker = asker): string => {
  const answer = answerFrame(frame, by);
  return typeof answer === 'string' ? answer : answer.kind;
};

test('every client’s message gets its kind of answer', () => {
  assert.deepEqual(
    Object.entries(clientFrames).map(([name, frame]) => `${name}: ${kindOf(frame)}`),
    [
      'udhcpcDiscover: offer',
      'udhcpcRequest: ack',
      'dhclientDiscover: offer',
      'dhclientSolicit: advertise',
      'dhclientRequest6: reply',
      'networkdDiscover: offer',
      'networkdRouters: advertisement',
      'networkdSolicit: reply',
    ],
  );
});

test('a DHCPv4 answer goes from the gateway to the port’s MAC and new address', () => {
  const { packet } = answered(clientFrames.udhcpcDiscover);
  assert.deepEqual(
    [packet.from, packet.to, packet.fromPort, packet.toPort],
    [{ mac: gatewayMac, ip: '10.0.0.1' }, { mac: clientMac, ip: '10.0.0.2' }, 67, 68],
  );
  const question = parseRequest4(readFrame(clientFrames.networkdDiscover)!.payload)!;
  const { payload } = answered(clientFrames.networkdDiscover).packet;
  const message = parseRequest4(Uint8Array.from(payload).fill(1, 0, 1))!;
  assert.equal(message.xid, question.xid);
  const [sent, back] = [question, message].map((m) => Buffer.from(m.options.get(option4.client)!).toString('hex'));
  assert.equal(back, sent);
  assert.ok(packet.payload.length >= 300);
});

test('a DHCPv6 answer goes from the gateway’s link-local address to the asking one', () => {
  const { packet } = answered(clientFrames.dhclientSolicit);
  const ends = [packet.from.ip, packet.to.ip, packet.fromPort, packet.toPort];
  assert.deepEqual(ends, [linkLocal(gatewayMac), linkLocal(clientMac as Mac), 547, 546]);
  const message = parseRequest6(packet.payload)!;
  assert.deepEqual(message.associations[0]?.addresses, ['fd00:1::2']);
  const asked = parseRequest6(readFrame(clientFrames.dhclientSolicit)!.payload)!;
  assert.equal(Buffer.compare(message.client!, asked.client!), 0);
});

/** What follows the checksum of the advertisement that is answered, and its options by code. */
function advertised(by: Asker = asker): { head: number[]; options: Map<number, Uint8Array> } {
  const { packet } = answered(clientFrames.networkdRouters, by);
  const { payload } = packet;
  assert.ok(icmp6Sound(packet, payload) && packet.hops === 255);
  const options = new Map<number, Uint8Array>();
  for (let at = 16; at < payload.length; at += 8 * payload[at + 1]!)
    options.set(payload[at]!, payload.subarray(at, at + 8 * payload[at + 1]!));
  return { head: [...payload.subarray(4, 8)], options };
}

test('a router advertisement says: addresses by DHCP, the prefix is on the link and makes none', () => {
  const { head, options } = advertised();
  assert.deepEqual(head, [64, 0xc0, 0x23, 0x28]);
  assert.deepEqual([...options.keys()], [1, 5, 3, 25, 31]);
  assert.deepEqual([...options.get(3)!.subarray(2, 4)], [64, 0x80]);
  assert.equal(Buffer.from(options.get(5)!).readUInt32BE(4), 1450);
  assert.ok(Buffer.from(options.get(31)!).includes(domainBytes('web.acme.heddle.internal')));
});

test('where addresses are made of MACs it says so: no DHCPv6 for them, and the prefix makes them', () => {
  const [four, six] = asker.network.subnets;
  const subnets = [four!, { ...six!, dhcp: { ipv6: 'slaac' as const } }];
  const network = { ...asker.network, subnets };
  const made: Asker = { ...asker, network, port: { ...asker.port, addresses: ['fd00:1::ff:fe00:7' as Ip] } };
  const { head, options } = advertised(made);
  assert.deepEqual(head, [64, 0x40, 0x23, 0x28]);
  assert.deepEqual([...options.get(3)!.subarray(2, 4)], [64, 0xc0]);
  const asked = parseRequest6(answered(clientFrames.dhclientSolicit, made).packet.payload)!;
  assert.deepEqual(asked.associations[0]?.addresses, ['fd00:1::ff:fe00:7'], 'the same to who asks all the same');
  // A machine on a segment may have another one: that it does not make.
  const other = advertised({ ...asker, network });
  assert.deepEqual([other.head[1], other.options.get(3)![3]], [0xc0, 0x80]);
});

test('who hears of the link alone gets no default route, and nothing that is another router’s to tell', () => {
  const { head, options } = advertised({ ...asker, hears: 'link' });
  assert.deepEqual(head, [64, 0x80, 0, 0]);
  assert.deepEqual([...options.keys()], [1, 3]);
});

test('without DHCP there are advertisements and no addresses; without a gateway or a hearing port there is nothing', () => {
  const dhcp = { enabled: false };
  const off = asker.network.subnets.map((s) => ({ ...s, dhcp }));
  const { address, isGiven } = settings4({ ...asker.network, subnets: off }, asker.port, 1450)!;
  assert.deepEqual([address, isGiven], ['10.0.0.2', false]);
  const quiet: Asker = { ...asker, network: { ...asker.network, subnets: off } };
  assert.equal(kindOf(clientFrames.udhcpcDiscover, quiet), 'no_address');
  assert.deepEqual(
    parseRequest6(answered(clientFrames.dhclientSolicit, quiet).packet.payload)!.associations[0]?.addresses,
    [],
  );
  assert.equal(answered(clientFrames.networkdRouters, quiet).packet.payload[5], 0x40);
  const cidrs = asker.network.subnets.map(({ cidr }) => ({ cidr }));
  const alone: Asker = { ...asker, network: { ...asker.network, subnets: cidrs } };
  for (const frame of Object.values(clientFrames)) assert.equal(kindOf(frame, alone), 'no_address');
  assert.equal(announcement(alone), undefined);
  const deaf: Asker = { ...asker, hears: 'nothing' };
  assert.equal(kindOf(clientFrames.networkdRouters, deaf), 'unheard');
  assert.equal(kindOf(clientFrames.udhcpcDiscover, deaf), 'offer');
  assert.equal(announcement(deaf), undefined);
});

test('who asks in another’s name is not answered', () => {
  const other = { ...asker, port: { ...asker.port, mac: '02:00:00:00:00:08' as Mac } };
  for (const frame of Object.values(clientFrames)) assert.equal(kindOf(frame, other), 'other_mac');
  const starving = Uint8Array.from(clientFrames.udhcpcDiscover);
  starving[14 + 20 + 8 + 28 + 5] = 0x99;
  assert.equal(kindOf(starving), 'other_mac');
});

test('broken frames are answered within the protocol or not at all, and nothing throws', () => {
  const frames = Object.values(clientFrames);
  const change = fc.tuple(fc.nat(400), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 52, 53, 255)));
  fc.assert(
    fc.property(fc.constantFrom(...frames), fc.array(change, { maxLength: 6 }), fc.nat(400), (frame, changes, cut) => {
      const broken = Uint8Array.from(cut % 3 === 0 ? frame.subarray(0, cut) : frame);
      for (const [at, byte] of changes) if (at < broken.length) broken[at] = byte;
      const answer = answerFrame(broken, asker);
      if (typeof answer === 'string') return;
      const packet = readFrame(answer.frame);
      assert.ok(packet && packet.to.mac === clientMac && packet.from.mac === gatewayMac);
      assert.ok(answer.frame.length <= 14 + 1450, `${answer.frame.length} bytes`);
    }),
    { numRuns: 20_000 },
  );
});

test('options that do not end where their lengths say are no message', () => {
  const discover = readFrame(clientFrames.udhcpcDiscover)!.payload;
  const cut = Uint8Array.from(discover.subarray(0, 243));
  cut[241] = 200;
  assert.equal(parseRequest4(cut), undefined);
  const solicit = Uint8Array.from(readFrame(clientFrames.dhclientSolicit)!.payload);
  solicit[6] = 0xff;
  assert.equal(parseRequest6(solicit), undefined);
});

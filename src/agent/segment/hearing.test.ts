import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip, Mac } from '../../model/address.ts';
import { heardIn } from './hearing.ts';
import { probeFrame } from './probe.ts';

const from = { mac: '02:00:00:00:00:01' as Mac };
const to = { mac: '02:00:00:00:00:02' as Mac, ip: '10.0.0.2' as Ip };
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

/** Who has 10.0.0.1? Tell 10.0.0.7. */
const request = hex(`ffffffffffff 020000000007 0806 0001 0800 06 04 0001
  020000000007 0a000007 000000000000 0a000001 00000000`);
/** fd00:1::7 solicits fd00:1::1. */
const solicitation = hex(`3333ff000001 020000000007 86dd 60000000 0020 3a ff
  fd000001000000000000000000000007 ff0200000000000000000001ff000001
  87 00 0000 00000000 fd000001000000000000000000000001 01 01 020000000007`);

const changed = (frame: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
  const copy = Uint8Array.from(frame);
  copy.set(bytes, at);
  return copy;
};

test('ARP tells of its sender, whatever it is about', () => {
  const heard = { mac: '02:00:00:00:00:07', ip: '10.0.0.7' };
  assert.deepEqual(heardIn(request), heard);
  assert.deepEqual(heardIn(changed(request, 21, 2)), heard, 'a reply');
});

test('neighbour discovery tells of who solicits, and of what is advertised', () => {
  assert.deepEqual(heardIn(solicitation), { mac: '02:00:00:00:00:07', ip: 'fd00:1::7' });
  assert.deepEqual(heardIn(changed(solicitation, 54, 136)), { mac: '02:00:00:00:00:07', ip: 'fd00:1::1' });
});

test('what speaks of another MAC, comes from elsewhere, has no address yet, or is cut tells of nobody', () => {
  const silent: [string, Uint8Array][] = [
    ['ARP of another MAC', changed(request, 27, 8)],
    ['a group as source', changed(changed(request, 6, 3), 22, 3)],
    ['an ARP probe', changed(request, 28, 0, 0, 0, 0)],
    ['ARP of another hardware', changed(request, 15, 6)],
    ['hops were lost', changed(solicitation, 21, 254)],
    ['another ICMP', changed(solicitation, 54, 133)],
    ['duplicate address detection', changed(solicitation, 22, ...Array<number>(16).fill(0))],
    ['another ethertype', changed(request, 12, 8, 0)],
  ];
  for (const [what, frame] of silent) assert.equal(heardIn(frame), undefined, what);
  for (const frame of [request.subarray(0, 42), solicitation.subarray(0, 78)])
    for (let n = 0; n < frame.length; n++) assert.equal(heardIn(frame.subarray(0, n)), undefined, `${n} bytes`);
});

test('a probe asks one machine for its address, and tells nobody of an address of the asker', () => {
  const arp = probeFrame(from.mac, to);
  assert.equal(
    Buffer.from(arp).toString('hex'),
    '020000000002' +
      '020000000001' +
      '0806' +
      '0001080006040001' +
      '020000000001' +
      '00000000' +
      '000000000000' +
      '0a000002',
  );
  assert.equal(heardIn(arp), undefined);
  const ns = probeFrame(from.mac, { mac: to.mac, ip: 'fd00:1::2' as Ip });
  assert.deepEqual(heardIn(ns), { mac: from.mac, ip: 'fe80::ff:fe00:1' });
  assert.deepEqual([...ns.subarray(0, 6)], [2, 0, 0, 0, 0, 2]);
  assert.deepEqual([...ns.subarray(62, 78)], [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
});

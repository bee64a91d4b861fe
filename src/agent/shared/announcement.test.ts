import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, linkLocal, macBytes, parseIp, parseMac } from '../../model/address.ts';
import { probeFrame } from '../segment/probe.ts';
import { announcedIn, announcement } from './announcement.ts';

const mac = parseMac('02:00:00:00:00:07');
const to = { mac: parseMac('02:00:00:00:00:08'), ip6: 'fd00::8' as Ip };
const four = { mac, ip: parseIp('10.0.0.100') };
const six = { mac, ip: parseIp('fd00::100') };

/** The frame with bytes of it changed. */
const but = (frame: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
  const out = Uint8Array.from(frame);
  out.set(bytes, at);
  return out;
};

test('what is announced is heard: by request or reply, and by an advertisement that nobody asked for', () => {
  for (const who of [four, six]) assert.deepEqual(announcedIn(announcement(who, to)), who);
  assert.deepEqual(announcedIn(but(announcement(four, to), 20, 0, 2)), four);
});

test('who asks, answers or probes announces nothing: whoever had the address does that too', () => {
  const [arp, nd] = [announcement(four, to), announcement(six, to)];
  assert.equal(announcedIn(but(arp, 38, 10, 0, 0, 1)), undefined, 'asks for another');
  assert.equal(announcedIn(but(but(arp, 20, 0, 2), 38, 10, 0, 0, 8)), undefined, 'answers somebody');
  assert.equal(announcedIn(but(nd, 58, 0x60)), undefined, 'answers somebody');
  for (const operation of [0, 3, 4, 8])
    assert.equal(announcedIn(but(arp, 20, 0, operation)), undefined, 'another protocol');
  for (const who of [four, six]) assert.equal(announcedIn(probeFrame(mac, who)), undefined);
});

test('a frame that is cut, of another protocol, or from another MAC than it speaks of says nothing', () => {
  const [arp, nd] = [announcement(four, to), announcement(six, to)];
  for (const frame of [arp, nd]) assert.equal(announcedIn(frame.subarray(0, 41)), undefined);
  assert.equal(announcedIn(nd.subarray(0, 77)), undefined);
  assert.equal(announcedIn(but(arp, 6, ...macBytes(to.mac))), undefined);
  assert.equal(announcedIn(but(arp, 12, 0x08, 0x00)), undefined);
  assert.equal(announcedIn(but(nd, 21, 64)), undefined, 'it may have come through a router');
  assert.equal(announcedIn(but(nd, 54, 135)), undefined);
});

test('an advertisement goes from the link-local address of its MAC, and overrides what is remembered', () => {
  const frame = announcement(six, to);
  const from = [...new Uint8Array(frame.buffer, 22, 16)];
  assert.deepEqual(from.slice(0, 2), [0xfe, 0x80]);
  assert.deepEqual(announcedIn(announcement({ mac, ip: linkLocal(mac) }, to))?.ip, linkLocal(mac));
  assert.equal(frame[58], 0x20);
});

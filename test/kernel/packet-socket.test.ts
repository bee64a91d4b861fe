import assert from 'node:assert/strict';
import { test } from 'node:test';
import { close, recv, send } from '../../src/kernel/libc.ts';
import { linkGet } from '../../src/kernel/link.ts';
import { inNetns } from '../../src/kernel/netns.ts';
import { type FieldTest, openPacketSocket, openSendingSocket, sendBy } from '../../src/kernel/packet-socket.ts';
import { scratchNetns } from './fixture.ts';

/** UDP or ICMP with a byte of 1 or 2 behind, whose fragment bits are clear; or anything that begins with a word of ones. */
const any: readonly (readonly FieldTest[])[] = [
  [
    { at: 23, size: 1, is: [17, 1] },
    { at: 20, size: 2, mask: 0x3fff, is: [0] },
    { at: 34, size: 1, is: [1, 2] },
  ],
  [{ at: 34, size: 4, is: [0xffff_ffff] }],
];
function frame(over: { type?: number; proto?: number; fragment?: number; first?: number; word?: number }): Uint8Array {
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  bytes.fill(0xff, 0, 6);
  view.setUint16(12, over.type ?? 0x0800);
  view.setUint16(20, over.fragment ?? 0);
  bytes[23] = over.proto ?? 17;
  if (over.word !== undefined) view.setUint32(34, over.word);
  else bytes[34] = over.first ?? 1;
  return bytes;
}

test('a packet socket gets the frames of its protocol that its filter has, and none that the host itself sends', () => {
  using here = scratchNetns();
  here.ip('link', 'add', 'name', 'near', 'type', 'veth', 'peer', 'name', 'far');
  for (const name of ['near', 'far']) here.ip('link', 'set', name, 'up');
  const open = (name: string) => {
    const { ifindex } = linkGet(here.nl, name);
    return inNetns(here.ns, () => openPacketSocket({ ifindex, ethertype: 0x0800, any, bufferBytes: 65_536 }));
  };
  using undo = new DisposableStack();
  const [a, b] = ['near', 'far'].map((name) => undo.adopt(open(name), close)) as [number, number];
  const frames: [string, Uint8Array, boolean][] = [
    ['the first alternative', frame({}), true],
    ['another value of its first and last test', frame({ proto: 1, first: 2 }), true],
    ['a bit beside the mask', frame({ fragment: 0x4000 }), true],
    ['the second alternative', frame({ proto: 6, word: 0xffff_ffff }), true],
    ['another protocol', frame({ proto: 6 }), false],
    ['a fragment', frame({ fragment: 0x2001 }), false],
    ['another byte', frame({ first: 3 }), false],
    ['another ethertype', frame({ type: 0x88cc, word: 0xffff_ffff }), false],
    ['less than the filter reads', frame({ proto: 6 }).subarray(0, 30), false],
  ];
  const buffer = new Uint8Array(2_048);
  for (const [what, bytes, comes] of frames) {
    send(a, bytes);
    const n = recv(b, buffer, 0);
    assert.equal(n, comes ? bytes.length : -11, what);
    if (comes) assert.deepEqual(buffer.slice(0, n), bytes, what);
  }
  assert.equal(recv(a, buffer, 0), -11);
});

test('one socket sends by any device, with a tag too, and hears nothing', () => {
  using here = scratchNetns();
  for (const n of [1, 2]) {
    here.ip('link', 'add', 'name', `near${n}`, 'type', 'veth', 'peer', 'name', `far${n}`);
    for (const name of [`near${n}`, `far${n}`]) here.ip('link', 'set', name, 'up');
  }
  using undo = new DisposableStack();
  const fd = undo.adopt(inNetns(here.ns, openSendingSocket), close);
  const buffer = new Uint8Array(2_048);
  for (const n of [1, 2]) {
    const [near, far] = [`near${n}`, `far${n}`].map((name) => linkGet(here.nl, name).ifindex) as [number, number];
    const options = { ifindex: far, ethertype: 0x0800, any, bufferBytes: 65_536 };
    const ear = undo.adopt(
      inNetns(here.ns, () => openPacketSocket(options)),
      close,
    );
    sendBy(fd, near, frame({}));
    assert.deepEqual(buffer.slice(0, recv(ear, buffer, 0)), frame({}));
    send(ear, frame({}));
    assert.equal(recv(fd, buffer, 0), -11);
  }
  assert.throws(() => sendBy(fd, 9_999, frame({})), { code: 'KERNEL' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { HELLO_TYPE } from '../../src/agent/segment/hello.ts';
import { openSegmentSocket } from '../../src/agent/segment/segment-socket.ts';
import { linkGet } from '../../src/kernel/link.ts';
import { inNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { be16, eth, mac } from '../datapath/frames.ts';
import { scratchNetns } from '../kernel/fixture.ts';
import { openPackets } from '../traffic/packets.ts';

const [everybody, machine] = [mac('ff:ff:ff:ff:ff:ff'), mac('02:00:00:00:0a:01')];
const frame = (type: number, tag: number[] = []): Uint8Array =>
  eth(everybody, machine, tag.length > 0 ? 0x8100 : type, new Uint8Array([...tag, ...new Uint8Array(100)]));

test('hosts hear each other however much machines say, who have their turn at each beat', async () => {
  using here = scratchNetns();
  here.ip('link', 'add', 'name', 'near', 'type', 'veth', 'peer', 'name', 'far');
  for (const name of ['near', 'far']) here.ip('link', 'set', name, 'up');
  const { ifindex } = linkGet(here.nl, 'near');
  const heard = { hellos: 0, machines: 0 };
  const read = { hello: () => void heard.hellos++, machine: () => void heard.machines++ };
  using socket = inNetns(here.ns, () => openSegmentSocket({ ifindex, vlan: 0 }, read, pino({ enabled: false })));
  using far = openPackets(here.path, 'far');
  // More than any buffer takes.
  for (let i = 0; i < 5_000; i++) far.send(frame(0x0806));
  for (let i = 0; i < 3; i++) far.send(frame(HELLO_TYPE));
  far.send(frame(0, [...be16(120), ...be16(HELLO_TYPE)]));
  await until('all hellos are heard', 10_000, async () => (heard.hellos === 3 ? true : undefined));
  assert.equal(heard.machines, 0, 'nobody has asked');
  socket.drain();
  assert.ok(heard.machines > 0 && heard.machines <= 256, `${heard.machines} at a beat`);
  assert.equal(heard.hellos, 3, 'that of another VLAN is none');
});

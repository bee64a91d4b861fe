/**
 * A storm: one frame again and again, as fast as one core can, by a device "eth0" of one of two namespaces. Arguments: the
 * frame in hex, paths of both namespaces. A line "0" or "1" says by which, and is answered with how many were sent so far by
 * each; ends with its input.
 */
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import { hasErrno } from '../../src/kernel/libc.ts';
import { openPackets } from '../traffic/packets.ts';

const [frame = '', ...netns] = process.argv.slice(2);
const bytes = Uint8Array.from(Buffer.from(frame, 'hex'));
const wires = netns.map((path) => ({ packets: openPackets(path, 'eth0'), sent: 0 }));
let by: (typeof wires)[number] | undefined;
let ended = false;
createInterface({ input: process.stdin })
  .on('line', (line) => {
    by = wires[Number(line)];
    process.stdout.write(`${wires.map(({ sent }) => sent).join(' ')}\n`);
  })
  .on('close', () => {
    ended = true;
  });

while (!ended) {
  for (let i = 0; by && i < 500; i++) {
    try {
      by.packets.send(bytes);
      by.sent++;
    } catch (e) {
      if (!hasErrno(e, 'ENOBUFS')) throw e;
    }
  }
  await turn();
}
for (const { packets } of wires) packets[Symbol.dispose]();

/**
 * Carries frames between a host's tap and one that it makes in a guest's namespace, with their virtio-net headers, as QEMU
 * does between a tap and a guest. Arguments: path of the namespace and name of the tap, both twice; number of queues. Prints
 * "open" when it has all queues open, and ends when a tap is gone. The guest’s stays, for another process: a guest that moves keeps its
 * device and its connections.
 */
import { openSync, read, writeSync } from 'node:fs';
import { ioctlWith } from '../../src/kernel/libc.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOFFLOAD = 0x400454d0;
const [IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR] = [0x0002, 0x0100, 0x1000, 0x4000];
/** TUN_F_CSUM, TSO4, TSO6, TSO_ECN: a guest that takes all that is still to be done. */
const offloads = 0xf;

const [hostNetns = '', hostTap = '', guestNetns = '', guestTap = '', queues = '1'] = process.argv.slice(2);

function openQueue(netns: string, name: string): number {
  using ns = openNetns(netns);
  const fd = inNetns(ns, () => openSync('/dev/net/tun', 'r+'));
  const ifreq = new Uint8Array(40);
  new TextEncoder().encodeInto(name, ifreq);
  const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues === '1' ? 0 : IFF_MULTI_QUEUE);
  new DataView(ifreq.buffer).setUint16(16, flags, true);
  ioctlWith(fd, TUNSETIFF, ifreq, `tap ${name}`);
  ioctlWith(fd, TUNSETOFFLOAD, offloads, `tap ${name}`);
  return fd;
}

/** Not by `process.exit`, which waits for the threads that read. */
const end = () => process.kill(process.pid, 'SIGKILL');

/** Reads wait in threads: the process needs one for each (UV_THREADPOOL_SIZE). */
function carry(from: number, to: number): void {
  const frame = new Uint8Array(70_000);
  const next = () =>
    read(from, frame, (error, length) => {
      if (error) end();
      try {
        writeSync(to, frame, 0, length);
      } catch (e) {
        // A device that is down takes nothing; one that is gone ends us.
        if ((e as NodeJS.ErrnoException).code !== 'EIO') end();
      }
      next();
    });
  next();
}

for (let n = 0; n < Number(queues); n++) {
  const host = openQueue(hostNetns, hostTap);
  const guest = openQueue(guestNetns, guestTap);
  ioctlWith(guest, TUNSETPERSIST, Uint8Array.of(1), `tap ${guestTap}`);
  carry(host, guest);
  carry(guest, host);
}
process.stdout.write('open\n');

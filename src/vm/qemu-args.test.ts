import assert from 'node:assert/strict';
import { test } from 'node:test';
import { qemuArguments } from './qemu-args.ts';

const nic = { ifname: 'tap-vm1', mac: '02:68:00:00:00:07', mtuBytes: 1450 };

test('a tap of one queue', () => {
  assert.deepEqual(qemuArguments(nic), [
    '-netdev',
    'tap,id=heddle-tap-vm1,ifname=tap-vm1,script=no,downscript=no,vhost=off',
    '-device',
    'virtio-net-pci,netdev=heddle-tap-vm1,mac=02:68:00:00:00:07,host_mtu=1450',
  ]);
});

test('a tap of four queues has an interrupt for each direction of each, and two more', () => {
  const [, netdev, , device] = qemuArguments({ ...nic, queues: 4 }, { vhost: true });
  assert.match(netdev!, /,vhost=on,queues=4$/);
  assert.match(device!, /,mq=on,vectors=10$/);
});

test('a name with characters that QEMU takes for its own', () => {
  const [, netdev, , device] = qemuArguments({ ...nic, ifname: 'a,b.c' });
  assert.match(netdev!, /^tap,id=heddle-a-b-c,ifname=a,,b\.c,script/);
  assert.match(device!, /^virtio-net-pci,netdev=heddle-a-b-c,mac/);
});

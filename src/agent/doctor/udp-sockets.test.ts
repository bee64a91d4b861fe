import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUdpTable } from './udp-sockets.ts';

const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1001: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000000000000000 0
 1002: 0100007F:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41207 2 0000000000000000 0
 1003: 0100007F:0035 00000000:12B5 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 0
`;

test('the sockets on a port are found by their own end', () => {
  assert.deepEqual(parseUdpTable(table, 4789), [0, 41207]);
  assert.deepEqual(parseUdpTable(table, 53), [99]);
  assert.deepEqual(parseUdpTable(table, 54), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMachines } from './machines.ts';

test('a machine has the network’s settings for itself, and cannot change the real machine’s', async () => {
  await using stage = await openMachines(['h1'], {});
  const [h1] = stage.machines;
  const { code, stdout, stderr } = await h1!.run(`
    sysctl -w net.ipv4.ip_forward=1
    find /proc/sys -path /proc/sys/net -prune -o -type f -writable -print`);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'net.ipv4.ip_forward = 1\n');
});

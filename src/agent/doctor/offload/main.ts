/**
 * The trial, as a process of its own: in namespaces of networks and mounts that are its alone, so that nothing of it is left
 * however it ends. It prints a {@link Trial} as JSON. It ends when its standard input does: then nobody waits for it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { offloadsOff } from '../../../kernel/ethtool.ts';
import { openBoundSocket } from '../../../kernel/inet-socket.ts';
import { mount, unshare } from '../../../kernel/libc.ts';
import { inNetns } from '../../../kernel/netns.ts';
import { hasCode } from '../../../model/errors.ts';
import { makeScratch, nic, type ScratchHost, workloadIp } from './scratch.ts';
import type { Trial } from './trial.ts';

const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWNET = 0x4000_0000;
const [MS_REC, MS_PRIVATE] = [0x4000, 0x4_0000];
/** Covered, in this process's own view alone, by an empty file system. It is everywhere, and nobody's program lies in it. */
const dir = '/sys/fs/bpf';
const port = 7_007;
const bulkBytes = 4 << 20;
const settleMs = 5_000;

process.stdin.resume().once('end', () => process.exit(1));

/** Sends pseudo-random bytes, gets them back, and says whether they are the same: `node -e` in the other workload. */
const client = `process.stdin.resume().once('end', () => process.exit(1)); const [ip, port, size] = process.argv.slice(1); const { createHash } = require('node:crypto');
const sent = Buffer.alloc(Number(size)); for (let i = 0, x = 1; i < sent.length; i++) sent[i] = (x = (x * 48271) % 0x7fffffff) >> 8;
const sum = (b) => createHash('sha256').update(b).digest('hex'); const back = createHash('sha256'); let n = 0;
const socket = require('node:net').connect(Number(port), ip, () => socket.end(sent)); socket.setTimeout(10000, () => process.exit(1));
socket.on('error', () => process.exit(1)); socket.on('data', (d) => { back.update(d); n += d.length; });
socket.on('close', () => process.exit(n === sent.length && back.digest('hex') === sum(sent) ? 0 : 1));`;

/** TCP's count of segments with bad checksums, in a namespace (RFC 4022, tcpInErrs' part; net/ipv4/proc.c). */
function badChecksums({ inside }: ScratchHost): number {
  const lines = inNetns(inside, () => readFileSync('/proc/thread-self/net/snmp', 'utf8')).split('\n');
  const [names = [], values = []] = lines.filter((l) => l.startsWith('Tcp:')).map((l) => l.split(' '));
  return Number(values[names.indexOf('InCsumErrors')] ?? 0);
}

async function transfer(from: ScratchHost): Promise<boolean> {
  const child = inNetns(from.inside, () =>
    spawn(process.execPath, ['-e', client, workloadIp(2), String(port), String(bulkBytes)], {
      stdio: ['pipe', 'ignore', 'inherit'],
    }),
  );
  const [code] = await once(child, 'exit');
  return code === 0;
}

async function runTrial(): Promise<Trial> {
  unshare(CLONE_NEWNS | CLONE_NEWNET, 'own namespaces');
  mount('none', '/', '', MS_REC | MS_PRIVATE, '');
  mount('heddle-doctor', dir, 'tmpfs', 0, 'mode=0700');
  for (const name of ['bpf', 'netns']) mkdirSync(`${dir}/${name}`);
  mount('heddle-doctor', `${dir}/bpf`, 'bpf', 0, 'mode=0700');
  let hosts: ScratchHost[];
  try {
    hosts = makeScratch(`${dir}/netns`, `${dir}/bpf`, pino({ level: 'silent' }));
  } catch (e) {
    if (hasCode(e, 'KERNEL') && e.details.operation === 'load BPF object') return { refused: e.message, passes: [] };
    throw e;
  }
  const [first, second] = hosts as [ScratchHost, ScratchHost];
  const late = performance.now() + settleMs;
  while (!hosts.every((host) => host.settle())) {
    if (performance.now() > late) throw new Error('the scratch hosts do not find each other');
    await delay(20);
  }
  using stack = new DisposableStack();
  const server = createServer((socket) => void socket.on('error', () => undefined).pipe(socket));
  server.listen({ fd: inNetns(second.inside, () => openBoundSocket('tcp', workloadIp(2), port)) });
  stack.defer(() => server.close());
  const passes: Trial['passes'][number][] = [];
  for (const segments of ['device', 'kernel'] as const) {
    if (segments === 'kernel') for (const { netns } of hosts) inNetns(netns, () => offloadsOff(nic));
    const before = hosts.reduce((n, host) => n + badChecksums(host), 0);
    const arrived = await transfer(first);
    passes.push({ segments, arrived, badChecksums: hosts.reduce((n, host) => n + badChecksums(host), 0) - before });
  }
  return { passes };
}

process.stdout.write(JSON.stringify(await runTrial()), () => process.exit(0));

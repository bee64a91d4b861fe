import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { untilEqual } from '../until-equal.ts';
import { DockerRig, type Left } from './rig.ts';

const [one, two] = ['198.18.0.1', '198.18.0.2'];
const [six1, six2] = ['fd00:99::1', 'fd00:99::2'];
let rig: DockerRig;
let empty: Left;
before(async () => {
  rig = await DockerRig.open();
  for (const [host, address] of [
    ['h1', six1],
    ['h2', six2],
  ] as const)
    await rig.lab.host(host).exec(['ip', 'address', 'add', `${address}/64`, 'dev', 'eth0', 'nodad']);
  empty = await rig.left();
  const ours = ['--driver', 'heddle', '--ipam-driver', 'heddle', '--ipv6'];
  await rig.docker('h1', 'network', 'create', ...ours, '--subnet', '10.30.0.0/24', '--subnet', 'fd00:30::/64', 'shop');
  await rig.docker('h1', 'network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', 'other');
  await rig.run('h1', 'beside', 'shop');
  await rig.run('h1', 'elsewhere', 'other');
});
after(() => rig[Symbol.asyncDispose]());

/** Starts a web server that tells whoever asks which address it sees. */
const mirror = (name: string, network: string, ...options: string[]) => {
  const script = `printf '#!/bin/sh\\necho; echo you are $REMOTE_ADDR' >/www/cgi-bin/me`;
  const program = `mkdir /www/cgi-bin; ${script}; chmod +x /www/cgi-bin/me; exec httpd -f -p 80 -h /www`;
  return rig.runs('h1', name, network, options, ['sh', '-c', program]);
};
const url = (address: string, port: number) =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}/cgi-bin/me`;
/** What the server tells a host that asks; nothing if there is no answer. */
async function ask(host: string, address: string, port: number): Promise<string> {
  const { stdout } = await rig.lab.host(host).exec(['curl', '--silent', '--max-time', '3', url(address, port)]);
  return stdout.trim();
}
const askFrom = async (container: string, address: string, port: number): Promise<string> =>
  (await rig.exec('h1', container, 'timeout', '3', 'wget', '-q', '-O', '-', url(address, port))).stdout.trim();
const sees = (address: string): string => `you are [${address.includes(':') ? '' : '::ffff:'}${address}]`;
/** Resolves when an asker gets this. */
async function gets(want: string, asked: () => Promise<string>): Promise<void> {
  await untilEqual(want, 10_000, asked);
}

test('a published port is reached from other machines with their own addresses, from the host, and from containers', async () => {
  await mirror('shown', 'shop', '-p', '8080:80', '-p', `${one}:8081:80`, '-p', '127.0.0.1:8082:80');
  await gets(sees(two), () => ask('h2', one, 8080));
  await gets(sees(one), () => ask('h1', one, 8080));
  await gets(sees(six2), () => ask('h2', six1, 8080));
  await gets(sees(six1), () => ask('h1', six1, 8080));
  for (const container of ['beside', 'elsewhere'])
    for (const address of [one, six1])
      if (container === 'beside' || address === one)
        assert.match(await askFrom(container, address, 8080), /^you are /, `${container} ${address}`);
  assert.match(await ask('h1', '127.0.0.1', 8080), /^you are /);
  // A port of one address is that address's only.
  await gets(sees(two), () => ask('h2', one, 8081));
  assert.equal(await ask('h2', six1, 8081), '');
  assert.match(await ask('h1', '127.0.0.1', 8082), /^you are /);
  assert.equal(await ask('h2', one, 8082), '');
  assert.equal(await ask('h2', one, 80), '', 'nothing else of the host leads into the network');
});

test('rules outlive a flush of all others and a restart of the engine', async () => {
  await rig.lab.host('h1').exec(['nft', 'flush', 'ruleset']);
  await gets(sees(two), () => ask('h2', one, 8080));
  await rig.docker('h1', 'update', '--restart', 'always', 'shown');
  await rig.lab.engine('h1').stop();
  await rig.lab.engine('h1').start();
  await rig.lab.engine('h1').ready();
  await gets(sees(two), () => ask('h2', one, 8080));
  await rig.docker('h1', 'start', 'beside', 'elsewhere');
});

test('of ranges and of no port one is chosen; UDP is published; SCTP and ports in use are refused', async () => {
  await mirror('first', 'shop', '-p', '8100-8101:80');
  await mirror('second', 'shop', '-p', '8100-8101:80');
  for (const port of [8100, 8101]) await gets(sees(two), () => ask('h2', one, port));
  await mirror('any', 'shop', '-p', '80');
  const [published] = (await rig.port('acme', 'any', (p) => p.publish.length > 0)).publish;
  await gets(sees(two), () => ask('h2', one, published!.hostPort));

  await rig.run('h1', 'echo', 'shop', '-p', '8053:53/udp');
  await using _echo = await inside(['nsenter', `--net=${await rig.netns('h1', 'echo')}`, '--'], echoes);
  const { stdout } = await rig.lab.host('h2').exec([process.execPath, '-e', asks, one, '8053']);
  assert.equal(stdout, `${two} hello`);

  const sctp = await rig.refused('h1', 'run', '--network', 'shop', '-p', '8200:80/sctp', 'busybox', 'true');
  assert.match(sctp, /only tcp and udp/);
  const taken = await rig.refused('h1', 'run', '--network', 'shop', '-p', '8080:80', 'busybox', 'true');
  assert.match(taken, /HOST_PORT_TAKEN|already allocated/);
  await using _other = await inside(rig.lab.host('h1').argv([]), occupies(8300));
  const occupied = await rig.refused('h1', 'run', '--network', 'shop', '-p', '8300:80', 'busybox', 'true');
  assert.match(occupied, /HOST_PORT_TAKEN|in use/);
});

test('a network’s allow list decides who reaches what it publishes', async () => {
  const { id } = await rig.client.get('network', 'shop', { tenant: 'acme' });
  const allow = (...publishFrom: string[]) => rig.client.update('network', id, { publishFrom }, { tenant: 'acme' });
  await allow('192.0.2.0/24');
  await gets('', () => ask('h2', one, 8080));
  await allow(`${two}/32`);
  await gets(sees(two), () => ask('h2', one, 8080));
  assert.equal(await ask('h2', six1, 8080), '');
  await allow();
  await gets(sees(six2), () => ask('h2', six1, 8080));
});

test('containers of a network with the outside reach other machines as their host, and nothing is left of all this', async () => {
  const seen = await rig.exec('h1', 'beside', 'ping', '-c', '1', '-W', '2', '198.18.0.254');
  assert.equal(seen.code, 0, seen.stdout);
  const all = (await rig.docker('h1', 'ps', '--all', '--quiet')).split('\n');
  await rig.docker('h1', 'rm', '--force', ...all);
  await gets('', () => ask('h2', one, 8080));
  await rig.docker('h1', 'network', 'rm', 'shop', 'other');
  await rig.leaves(empty);
});

/** Programs in a language that every machine has which runs this: a UDP server on port 53, and a client that prints what it gets. */
const echoes = `
const s = require('node:dgram').createSocket('udp6');
s.on('message', (m, { address, port }) => s.send(address.replace('::ffff:', '') + ' ' + m, port, address));
s.bind(53, () => console.log('listening'));`;
const asks = `
const [address, port] = process.argv.slice(1);
const s = require('node:dgram').createSocket('udp4');
const again = setInterval(() => s.send('hello', Number(port), address), 200);
s.on('message', (m) => { process.stdout.write(String(m)); clearInterval(again); s.close(); });
setTimeout(() => process.exit(1), 10_000).unref();`;
/** A TCP server on a port. */
const occupies = (port: number) =>
  `require('node:net').createServer().listen(${port}, () => console.log('listening'));`;

/** Runs such a program until disposed; resolves when it listens. */
async function inside(prefix: string[], program: string): Promise<AsyncDisposable> {
  const [file = '', ...args] = [...prefix, process.execPath, '-e', program];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  await once(child.stdout, 'data');
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

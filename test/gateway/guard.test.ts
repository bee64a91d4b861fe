/** Other hosts' own services are closed to workloads, but for what is published there; and what an administrator keeps from them besides. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { serve } from './server.ts';
import { hostAddress, outside, Town } from './town.ts';

const town = await Town.open(2);
after(() => town[Symbol.asyncDispose]());
const { lab } = town.stage;
const [h1, h2] = lab.hosts as [(typeof lab.hosts)[0], (typeof lab.hosts)[0]];
const a = await town.resident('acme');
const b = await town.resident('beta', { host: 1 });
await Promise.all([town.opened(a), town.opened(b)]);
const own = hostAddress(1);
const peer = hostAddress(2);
const both = [peer.v4, peer.v6];

/** What the agent of a host runs as, with further arguments, in place of it; disposing ends it. */
async function agentWith(...more: string[]): Promise<AsyncDisposable> {
  const [program = '', ...argv] = readFileSync(`/proc/${lab.pid('h1')}/cmdline`, 'utf8')
    .split('\0')
    .slice(0, -1);
  await lab.kill('h1');
  const child = spawn('nsenter', [`--net=${h1.netns}`, '--', program, ...argv, ...more], { stdio: 'ignore' });
  const ended = once(child, 'close');
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
      await lab.start('h1');
      await lab.ready('h1');
    },
  };
}

/** Services of host 2 itself, on all of its addresses, and the same of a machine that is no host. */
function services(): DisposableStack {
  const open = new DisposableStack();
  for (const any of ['0.0.0.0', '::'])
    for (const protocol of ['tcp', 'udp'] as const) {
      open.use(serve(h2.netns, protocol, any, 7140, 'ssh'));
      open.use(serve(town.outside, protocol, any, 7140, 'outside'));
    }
  return open;
}
const outsideAnswers = async () => {
  for (const to of [outside.v4, outside.v6])
    for (const protocol of ['tcp', 'udp'] as const)
      assert.match(await town.ask(a.netns, protocol, to, 7140), /^ok outside/);
};

test('a workload does not get to another host’s own services, by none of its addresses; other machines, and that host to others, do', async () => {
  using _services = services();
  // What host 2 told of its second address has come here, too.
  await town.becomes(/^no /, a.netns, 'tcp', peer.v6, 7140);
  for (const protocol of ['tcp', 'udp'] as const) await town.silent(a.netns, protocol, both, 7140);
  for (const to of both) {
    await assert.rejects(town.stage.ping(a, to, '-w', '1'));
    assert.match(await town.ask(h1.netns, 'tcp', to, 7140), /^ok ssh/, 'the host itself does');
    assert.match(await town.ask(town.outside, 'tcp', to, 7140), /^ok ssh/, 'others do');
  }
  await outsideAnswers();
});

test('what is published on another host is reached, by any of its addresses, and is closed when it is not published any more', async () => {
  using shop = serve(b.netns, 'tcp', '0.0.0.0', 7141, 'shop');
  using _shop6 = serve(b.netns, 'tcp', '::', 7141, 'shop');
  await town.publish(b, [{ protocol: 'tcp', port: 7141, hostPort: 7142 }]);
  for (const to of both) await town.becomes(/^ok shop/, a.netns, 'tcp', to, 7142);
  assert.equal(shop.seen.at(-1), own.v4);
  {
    using _services = services();
    await town.silent(a.netns, 'tcp', both, 7140);
  }
  await town.publish(b, [{ protocol: 'tcp', port: 7141, hostPort: 7143, hostAddress: peer.v4 }]);
  await town.becomes(/^ok shop/, a.netns, 'tcp', peer.v4, 7143);
  using _now4 = serve(h2.netns, 'tcp', '0.0.0.0', 7142, 'host');
  using _now6 = serve(h2.netns, 'tcp', '::', 7142, 'host');
  for (const to of both) await town.becomes(/^no timeout/, a.netns, 'tcp', to, 7142);
  await town.publish(b, []);
});

test('a port that is published and not had opens nothing: the host’s own service has it, or the workload is nowhere', async () => {
  using open = new DisposableStack();
  for (const any of ['0.0.0.0', '::']) {
    open.use(serve(b.netns, 'tcp', any, 7141, 'shop'));
    for (const port of [7146, 7147]) open.use(serve(h2.netns, 'tcp', any, port, 'ssh'));
  }
  const { client } = town.stage;
  const place = (hostPort: number) => ({ protocol: 'tcp' as const, port: 7141, hostPort });
  const nowhere = { name: 'nowhere', network: 'web', host: 'h2', publish: [place(7147)] };
  await client.create('port', nowhere, { tenant: 'acme' });
  await client.update('port', b.port.id, { publish: [place(7146)] }, { tenant: 'beta' });
  await until('the port is taken', 10_000, async () => {
    const { status } = await client.get('port', b.port.id, { tenant: 'beta' });
    return status.code === 'HOST_PORT_TAKEN' ? true : undefined;
  });
  for (const port of [7146, 7147]) await town.silent(a.netns, 'tcp', both, port);
  await town.publish(b, [place(7148)]);
  for (const to of both) await town.becomes(/^ok shop/, a.netns, 'tcp', to, 7148);
  for (const port of [7146, 7147]) {
    await town.silent(a.netns, 'tcp', both, port);
    assert.match(await town.ask(town.outside, 'tcp', peer.v4, port), /^ok ssh/, 'others do');
  }
  await client.remove('port', 'nowhere', { tenant: 'acme' });
  await town.publish(b, []);
});

test('a host is closed by whatever address it has: of a network without a router, of its own loopback device', async () => {
  for (const [n, { netns }] of [h1, h2].entries()) {
    const way = ['type', 'vxlan', 'id', '7', 'dstport', '8472', 'remote', hostAddress(2 - n).v4];
    await town.in(netns, 'ip', 'link', 'add', 'storage', ...way);
    await town.in(netns, 'ip', 'address', 'add', `10.9.0.${n + 1}/24`, 'dev', 'storage');
    await town.in(netns, 'ip', 'link', 'set', 'storage', 'up');
  }
  await town.in(h2.netns, 'ip', 'address', 'add', '192.0.2.9/32', 'dev', 'lo');
  await town.in(h1.netns, 'ip', 'route', 'add', '192.0.2.9/32', 'via', peer.v4);
  using _ssh = serve(h2.netns, 'tcp', '0.0.0.0', 7140, 'ssh');
  for (const to of ['10.9.0.2', '192.0.2.9']) {
    await town.becomes(/^ok ssh/, h1.netns, 'tcp', to, 7140);
    await town.becomes(/^no timeout/, a.netns, 'tcp', to, 7140);
  }
  assert.equal(
    (await town.stage.client.get('host', 'h2')).addresses.join(' '),
    `10.9.0.2 192.0.2.9 2001:db8:f:: ${peer.v6}`,
  );
  await town.stage.client.update('host', 'h2', { openPorts: ['tcp/7140'] });
  for (const to of ['10.9.0.2', '192.0.2.9']) await town.becomes(/^ok ssh/, a.netns, 'tcp', to, 7140);
  await town.stage.client.update('host', 'h2', { openPorts: [] });
});

test('what an operator opens of a host is reached by workloads of others', async () => {
  using _services = services();
  await town.stage.client.update('host', 'h2', { openPorts: ['tcp/7140'] });
  for (const to of both) await town.becomes(/^ok ssh/, a.netns, 'tcp', to, 7140);
  await town.silent(a.netns, 'udp', both, 7140);
  await town.stage.client.update('host', 'h2', { openPorts: [] });
  for (const to of both) await town.becomes(/^no timeout/, a.netns, 'tcp', to, 7140);
});

test('clients on other hosts, and those hosts themselves, are answered by what is published here', async () => {
  using _shop = serve(a.netns, 'tcp', '0.0.0.0', 7141, 'shop');
  using _shop6 = serve(a.netns, 'tcp', '::', 7141, 'shop');
  await town.publish(a, [{ protocol: 'tcp', port: 7141, hostPort: 7144 }]);
  for (const [from, to, seen] of [
    [h2.netns, own.v4, peer.v4],
    [h2.netns, own.v6, peer.v6],
    [b.netns, own.v4, peer.v4],
    [b.netns, own.v6, peer.v6],
  ] as const)
    await town.becomes(`ok shop ${seen}`, from, 'tcp', to, 7144);
  await town.publish(a, []);
});

test('a host that comes is closed soon, and an address that one gets', async () => {
  using _late = serve(town.outside, 'tcp', outside.v4, 7145, 'late');
  assert.match(await town.ask(a.netns, 'tcp', outside.v4, 7145), /^ok late/);
  await town.stage.client.create('host', { name: 'late', vtep: outside.v4 });
  await town.becomes(/^no timeout/, a.netns, 'tcp', outside.v4, 7145);
  await town.stage.client.remove('host', 'late');
  await town.becomes(/^ok late/, a.netns, 'tcp', outside.v4, 7145);

  await town.in(h2.netns, 'ip', 'address', 'add', '198.18.0.77/24', 'dev', 'eth0');
  using _ssh = serve(h2.netns, 'tcp', '198.18.0.77', 7140, 'ssh');
  await town.becomes(/^no timeout/, a.netns, 'tcp', '198.18.0.77', 7140);
  assert.match(await town.ask(town.outside, 'tcp', '198.18.0.77', 7140), /^ok ssh/);
});

test('what is known of hosts holds while the controller is away and the agent begins anew', async () => {
  using _services = services();
  await lab.kill('controller');
  await lab.kill('h1');
  await lab.start('h1');
  for (const to of both) await town.becomes(/^no timeout/, a.netns, 'tcp', to, 7140);
  await outsideAnswers();
  await lab.start('controller');
  await lab.ready('h1');
});

test('"none" opens the hosts; a prefix closes what an administrator names, in either case', async () => {
  using _services = services();
  {
    await using _agent = await agentWith('--guard', 'none');
    for (const to of both) await town.becomes(/^ok ssh/, a.netns, 'tcp', to, 7140);
  }
  {
    await using _agent = await agentWith(
      '--guard',
      'none',
      '--guard',
      `${outside.v4}/32`,
      '--guard',
      '2001:db8:f::2/127',
    );
    for (const to of [outside.v4, peer.v6]) await town.becomes(/^no timeout/, a.netns, 'tcp', to, 7140);
    for (const to of [outside.v6, peer.v4]) assert.match(await town.ask(a.netns, 'tcp', to, 7140), /^ok /);
    // Clients there are answered all the same.
    using _shop = serve(a.netns, 'tcp', '0.0.0.0', 7141, 'shop');
    await town.publish(a, [{ protocol: 'tcp', port: 7141, hostPort: 7149 }]);
    await town.becomes(`ok shop ${outside.v4}`, town.outside, 'tcp', own.v4, 7149);
    await town.publish(a, []);
  }
  for (const to of both) await town.becomes(/^no timeout/, a.netns, 'tcp', to, 7140);
  await outsideAnswers();
});

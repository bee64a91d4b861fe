import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { untilEqual } from '../until-equal.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open();
  await rig.addNetwork('acme', 'web', '10.0.0.0/24', 'fd00:1::/64');
  await rig.addNetwork('globex', 'web', '10.0.0.0/24');
  const subnets = ['--ipv6', '--subnet', '10.0.0.0/24', '--subnet', 'fd00:1::/64'];
  for (const host of ['h1', 'h2']) await rig.join(host, 'web', 'acme', 'web', ...subnets);
  await rig.join('h2', 'other', 'globex', 'web', '--subnet', '10.0.0.0/24');
  await rig.run('h1', 'asker', 'web');
  await rig.run('h2', 'shop', 'web', '--ip', '10.0.0.40', '--ip6', 'fd00:1::40', '--network-alias', 'database');
  await rig.run('h2', 'spy', 'other');
});
after(() => rig[Symbol.asyncDispose]());

/** What a container's own resolver says of a name: its addresses, or none. */
async function lookUp(host: string, container: string, name: string, type = 'a'): Promise<string[]> {
  const { stdout } = await rig.exec(host, container, 'nslookup', `-type=${type}`, name);
  // The server that was asked comes first.
  const answer = stdout.slice(stdout.indexOf('\n\n'));
  return [...answer.matchAll(/(?:Address:\s+|name = )(\S+)/g)].map((m) => m[1]!).sort();
}
/** Resolves when the container's resolver says this. */
async function knows(host: string, container: string, name: string, want: string[], type = 'a'): Promise<void> {
  const question = `${type} ${name}, asked by ${container}`;
  await untilEqual({ [question]: want }, 10_000, async () => ({
    [question]: await lookUp(host, container, name, type),
  }));
}

test('containers are found from the other engine by name, alias, full name and address, with nothing set anywhere', async () => {
  for (const name of ['shop', 'database', 'shop.web', 'shop.web.acme.heddle.internal']) {
    await knows('h1', 'asker', name, ['10.0.0.40']);
    await knows('h1', 'asker', name, ['fd00:1::40'], 'aaaa');
  }
  await knows('h1', 'asker', '40.0.0.10.in-addr.arpa', ['shop.web.acme.heddle.internal'], 'ptr');
  const { stdout, code } = await rig.exec('h1', 'asker', 'ping', '-c', '1', '-W', '5', 'database');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^PING database \((10\.0\.0\.40|fd00:1::40)\)/);
});

test('a name is gone with its container, and follows it to another host', async () => {
  await rig.run('h2', 'mover', 'web', '--ip', '10.0.0.41');
  await knows('h1', 'asker', 'mover', ['10.0.0.41']);
  await rig.docker('h2', 'rm', '--force', 'mover');
  await knows('h1', 'asker', 'mover', []);
  await rig.run('h1', 'mover', 'web', '--ip', '10.0.0.42');
  await knows('h2', 'shop', 'mover', ['10.0.0.42']);
  await rig.docker('h1', 'rename', 'mover', 'moved');
  await knows('h2', 'shop', 'moved', ['10.0.0.42']);
});

test('another tenant’s names are not resolved, by no server that answers', async () => {
  await knows('h2', 'spy', 'spy', [await rig.place('h2', 'spy', 'other')]);
  for (const name of ['shop', 'database', 'shop.web', 'shop.web.acme.heddle.internal'])
    for (const type of ['a', 'aaaa']) assert.deepEqual(await lookUp('h2', 'spy', name, type), [], name);
  assert.deepEqual(await lookUp('h2', 'spy', '40.0.0.10.in-addr.arpa', 'ptr'), []);
  for (const server of ['10.0.0.1', '8.8.8.8', rig.lab.host('h1').vtep]) {
    const { stdout } = await rig.exec('h2', 'spy', 'nslookup', '-type=a', 'shop.web.acme.heddle.internal', server);
    assert.doesNotMatch(stdout, /10\.0\.0\.40/, server);
  }
});

test('names stay known while the controller is away, and while an agent is', async () => {
  await rig.lab.kill('controller');
  await knows('h1', 'asker', 'shop', ['10.0.0.40']);
  await rig.lab.kill('h2');
  await knows('h1', 'asker', 'shop', ['10.0.0.40']);
  await rig.lab.start('h2');
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  await rig.lab.ready('h2');
  await knows('h1', 'asker', 'shop', ['10.0.0.40']);
});

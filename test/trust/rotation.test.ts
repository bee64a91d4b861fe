/** Certificates are renewed and the authority is another one, under traffic and writes: nobody notices. */
// exclusive: counts lost packets
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { joinTokenFile } from '../../src/lab/daemons.ts';
import { until } from '../../src/lab/processes.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';

let stage: Stage;
let left: Station;
let right: Station;

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'net', ['10.17.0.0/16', 'fd17::/64']);
  left = await stage.attach({ tenant: 't', network: 'net', host: 0 });
  right = await stage.attach({ tenant: 't', network: 'net', host: 1 });
  await stage.settled(right);
});
after(() => stage?.[Symbol.asyncDispose]());

const certificateOf = (host: string): string =>
  (JSON.parse(readFileSync(`${stage.lab.plan.dir}/${host}/state/identity.json`, 'utf8')) as { cert: string }).cert;

/** Makes a port and deletes one, again and again, until it is told to stop; how many, none of which may fail. */
function writeSteadily(): { stop(): Promise<number> } {
  let stopped = false;
  const write = async (): Promise<number> => {
    for (let n = 0; ; n++) {
      if (stopped) return n;
      const { id } = await stage.client.create('port', { network: 'net', host: `h${(n % 2) + 1}` }, { tenant: 't' });
      await stage.client.remove('port', id, { tenant: 't', waitMs: 20_000 });
    }
  };
  const done = write();
  done.catch(() => undefined); // it is for whoever calls stop
  return {
    stop: () => {
      stopped = true;
      return done;
    },
  };
}

test('A33: the authority is rotated and the one before retired: no packet and no write is lost', async (t) => {
  await using stack = new AsyncDisposableStack();
  const streams = [stack.use(new PingStream(left.netns, right.ip4)), stack.use(new PingStream(right.netns, left.ip6))];
  const writes = writeSteadily();
  const before = ['h1', 'h2'].map(certificateOf);
  const { authorities } = await stage.client.rotateAuthority();
  assert.equal(authorities.length, 2);
  await until('all hosts having certificates of the new authority', 20_000, async () => {
    const [, older] = (await stage.client.authorityStatus()).authorities;
    return older?.hosts.length === 0 ? true : undefined;
  });
  // The controller has noted a certificate before its host has it.
  await until('both having written it', 20_000, async () =>
    ['h1', 'h2'].every((host, i) => certificateOf(host) !== before[i]) ? true : undefined,
  );
  await stage.client.retireAuthority();
  await stage.lab.allOnline(20_000);
  const written = await writes.stop();
  // All that comes after is of the new authority alone: an agent and a controller that start, too.
  for (const target of ['h1', 'controller']) {
    await stage.lab.kill(target);
    await stage.lab.start(target);
    await stage.lab.ready(target);
  }
  await stage.lab.allOnline(20_000);
  const tallies = await Promise.all(streams.map((stream) => stream.stop()));
  for (const { sent, received } of tallies) assert.equal(received, sent);
  assert.ok(written > 2, `${written}`);
  t.diagnostic(`${tallies.map(({ sent }) => sent).join(' and ')} pings, ${written} ports made and deleted`);
});

test('A32: a host that is revoked is cut off, and its VTEP from every other host; who joins again is back', async () => {
  await stage.client.revokeHost('h2');
  await until('h2 being offline', 10_000, async () =>
    (await stage.client.get('host', 'h2')).status.condition === 'offline' ? true : undefined,
  );
  const answers = async () =>
    (await stage.lab.execIn(left.workload, ['ping', '-c', '1', '-W', '1', right.ip4])).code === 0;
  await until('nothing reaching h2 from h1', 10_000, async () => ((await answers()) ? undefined : true));

  const { token } = await stage.client.createHostToken({ name: 'h2', tenants: ['*'] });
  await stage.lab.kill('h2');
  rmSync(`${stage.lab.plan.dir}/h2/state/identity.json`);
  writeFileSync(joinTokenFile(stage.lab.plan), token);
  await stage.lab.start('h2');
  await stage.lab.ready('h2');
  await stage.settled(right);
  await stage.ping(left, right.ip4);
});

test('a host that is given another name while it is off comes back by its certificate, keeps that, and takes workloads', async () => {
  const isOnline = (name: string, condition: string) =>
    until(`${name} being ${condition}`, 20_000, async () =>
      (await stage.client.get('host', name)).status.condition === condition ? true : undefined,
    );
  const renamed = async (before: string, name: string) => {
    await stage.lab.kill('h2');
    await isOnline(before, 'offline');
    await stage.client.update('host', before, { name });
    await stage.lab.start('h2');
    await isOnline(name, 'online');
  };
  const nameOf = () => JSON.parse(readFileSync(`${stage.lab.plan.dir}/h2/state/identity.json`, 'utf8')).host.name;
  await renamed('h2', 'h9');
  await until('its name being written', 10_000, async () => (nameOf() === 'h9' ? true : undefined));
  await stage.ping(left, right.ip4);
  const next = await stage.attach({ tenant: 't', network: 'net', host: 1 });
  await stage.settled(next);
  await stage.ping(left, next.ip4);
  const { id } = await stage.client.get('host', 'h9');
  assert.equal((await stage.client.get('port', next.port.id, { tenant: 't' })).host, id);
  await renamed('h9', 'h2');
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { project } from '../cli/heddle.ts';
import { runBlocks } from './guide-on-machines.ts';
import { type Machine, openMachines } from './machines.ts';

let stage: Awaited<ReturnType<typeof openMachines>>;
let h1: Machine;
before(async () => {
  stage = await openMachines(['h1', 'h2', 'h3'], { '/opt/heddle-0.1.0': [project] });
  [h1] = stage.machines as [Machine];
});
after(() => stage?.[Symbol.asyncDispose]());

/** What Heddle has made on a machine, and is there still. */
const traces = `{ ls -d /etc/systemd/system/heddle* /var/lib/heddle/agent /run/heddle/*.sock /sys/fs/bpf/heddle/*;
  ip -o -d link | grep heddle; nft list ruleset | grep heddle; systemctl list-units --plain --all 'heddle*' | grep loaded; } 2>/dev/null; true`;

test('the commands of docs/guides/install.md work when pasted, on three machines with systemd', async () => {
  const page = readFileSync(join(project, 'docs/guides/install.md'), 'utf8');
  const told = await runBlocks(page, stage.machines);
  const said = (pattern: RegExp) => told.filter(({ stdout }) => pattern.test(stdout)).map(({ on }) => on);
  assert.deepEqual(said(/^h[123] is a host of https:\/\/192\.0\.2\.1:7470$/m), ['h1', 'h2', 'h3']);
  assert.deepEqual(said(/^hosts +ok +3 online$/m), ['h1', 'h1']);
  assert.deepEqual(said(/(^1 packets transmitted, 1 received.*){2}/ms), ['h3']);
  assert.deepEqual(said(/^path +ok .*1500 bytes arrive\n +ok .*1500 bytes arrive$/m), ['h1', 'h2', 'h3']);
  assert.deepEqual(said(/has left Heddle; its agent ends, and its service is gone$/m), ['h1', 'h2', 'h3']);
  for (const machine of stage.machines) assert.equal((await machine.run(traces)).stdout, '', machine.name);
});

test('what keeps a controller’s service from running is said, and done again it runs', async () => {
  const told = await h1.run('! heddle controller --listen 192.0.2.99:7470 --install');
  assert.match(
    told.stderr,
    /heddle-controller\.service: it ends again and again; it said: heddle: .*192\.0\.2\.99.*journalctl/,
  );
  const again = await h1.run('heddle controller --listen 192.0.2.1:7470 --install --json && heddle tenant list');
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /"installed": true/);
});

test('a service takes the place of no daemon that somebody has started', async () => {
  const byHand = `heddle controller --uninstall
    systemd-run --quiet --unit=by-hand heddle controller
    until heddle tenant list; do sleep 0.1; done
    ! heddle controller --install
    ls /etc/systemd/system/heddle-controller* && exit 1
    systemctl stop by-hand`;
  const { code, stderr } = await h1.run(byHand);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /somebody answers at \/run\/heddle\/controller\.sock who is not heddle-controller\.service/);
});

test('an agent’s service can be installed again with other options; it comes back when it dies, not when its host has left', async () => {
  const dies = `heddle controller --listen 192.0.2.1:7470 --install
    token=$(heddle host token create)
    heddle agent join https://192.0.2.1:7470 "$token" --install
    heddle agent join https://192.0.2.1:7470 "$token" --install -- --log-level debug
    systemctl is-enabled heddle-controller heddle-agent
    systemctl show --property=ExecStart heddle-agent | grep 'log-level debug'
    before=$(systemctl show --property=MainPID --value heddle-agent)
    kill -9 $before
    until now=$(systemctl show --property=MainPID --value heddle-agent) && test $now != 0 && test $now != $before; do sleep 0.1; done
    until heddle host list | grep online; do sleep 0.1; done
    systemctl cat heddle-agent | grep Restart=
    mv /etc/systemd/system/heddle-agent.service /run/systemd/system/ && systemctl daemon-reload
    heddle leave --yes
    until systemctl is-active heddle-agent | grep inactive; do sleep 0.1; done
    systemctl show --property=Result --value heddle-agent`;
  const { code, stdout, stderr } = await h1.run(dies);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^success$/m);
});

test('a server that joins is told of ways on which packets do not arrive', async () => {
  const [, h2, h3] = stage.machines as [Machine, Machine, Machine];
  const { stdout } = await h1.run(
    'heddle controller --listen 192.0.2.1:7470 --install >&2; heddle host token create --uses 2 --json',
  );
  const { token } = JSON.parse(stdout) as { token: string };
  const joins = `heddle agent join https://192.0.2.1:7470 ${token} --install`;
  const first = await h2.run(
    `${joins} && nft 'table inet wall { chain input { type filter hook input priority 0; udp dport 4789 drop; }; }'`,
  );
  assert.equal(first.code, 0, first.stderr);
  assert.doesNotMatch(first.stderr, /^warning: .*192/m);
  const second = await h3.run(joins);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stderr, /^warning: .*192\.0\.2\.2.*firewalls/m);
});

test('an agent that has left does not come back, and what was left of its service goes', async () => {
  const [, , h3] = stage.machines as [Machine, Machine, Machine];
  // As if `heddle leave` had been interrupted after the agent's part.
  const { code, stdout, stderr } = await h3.run(`systemctl stop heddle-agent
    rm /var/lib/heddle/agent/identity.json
    systemctl start heddle-agent
    ! systemctl is-active heddle-agent
    heddle leave --yes
    ls /etc/systemd/system/heddle-agent.service 2>&1 || true`);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^inactive\nthis server had left Heddle, and its service is gone\nls: cannot access/);
});

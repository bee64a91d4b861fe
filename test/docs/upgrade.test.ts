import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { project } from '../cli/heddle.ts';
import { runBlocks } from './guide-on-machines.ts';
import { layer, type Machine, openMachines } from './machines.ts';

let stage: Awaited<ReturnType<typeof openMachines>>;
let machines: readonly Machine[];
const folder = mkdtempSync(join(tmpdir(), 'heddle-next-'));
const [upgrade, fromBefore] = readFileSync(join(project, 'docs/guides/upgrade.md'), 'utf8').split(
  /(?=^## From before TLS$)/m,
);

const edited = (file: string, ...edits: [RegExp, string][]): Record<string, string> => {
  let text = readFileSync(join(project, file), 'utf8');
  for (const [have, want] of edits) {
    assert.match(text, have);
    text = text.replace(have, want);
  }
  return { [file]: text };
};

/** This very program as one of another version, protocol and schema. */
const next = () =>
  layer(folder, {
    ...edited('package.json', [/"version": ".*"/, '"version": "0.2.0"']),
    ...edited('src/model/host-state.ts', [/PROTOCOL = \d+/, 'PROTOCOL = 1_000']),
    ...edited(
      'src/store/sqlite-schema.ts',
      [/SCHEMA = \d+/, 'SCHEMA = 1_000'],
      [/(?=\n +db\.exec\('COMMIT'\))/, "\n    db.exec('PRAGMA user_version = 1000');"],
    ),
  });

const install = {
  h1: `heddle controller --listen 192.0.2.1:7470 --install
    heddle tenant create acme
    heddle network create web --tenant acme
    heddle subnet create web-v4 --tenant acme --network web --cidr 10.0.0.0/24`,
  all: (n: number, token: string) => `heddle agent join https://192.0.2.1:7470 ${token} --install
    ip netns add w${n}
    heddle attach netns w${n} --tenant acme --network web --address 10.0.0.1${n}
    ip netns add v${n}
    heddle attach netns v${n} --tenant acme --network web`,
};

/** On one that must be well there. */
async function done(machine: Machine, script: string): Promise<string> {
  const { code, stdout, stderr } = await machine.run(script);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  return stdout;
}

before(async () => {
  stage = await openMachines(['h1', 'h2', 'h3'], {
    '/opt/heddle-0.1.0': [project],
    '/opt/heddle-0.2.0': [next(), project],
  });
  machines = stage.machines;
  const [h1] = machines as [Machine];
  for (const machine of machines)
    await done(machine, 'ln -s heddle-0.1.0 /opt/heddle; ln -s /opt/heddle/heddle /usr/local/bin/heddle');
  await done(h1, install.h1);
  const token = (await done(h1, 'heddle host token create --uses 3 --tenants acme')).trim();
  for (const [i, machine] of machines.entries()) await done(machine, install.all(i + 1, token));
});
after(async () => {
  await stage?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test('the commands of docs/guides/upgrade.md work when pasted: to another protocol and store, and back', async () => {
  const [h1] = machines as [Machine];
  const told = await runBlocks(upgrade!, machines, async (commands) => {
    if (commands.includes('until heddle tenant list'))
      await done(h1, 'for h in h1 h2 h3; do until heddle status | grep "$h: .*refused"; do sleep 0.2; done; done');
  });
  const all = told.map(({ stdout }) => stdout).join('');
  assert.match(all, /^controller +ok .* version 0\.2\.0, .*\nhosts +no +0 of 3 online; not: h1, h2, h3$/m);
  const mismatch = 'the agent speaks protocol \\d+, this controller 1000: upgrade the older one';
  assert.match(all, new RegExp(`^error +host h[123]: not connected; its agent was refused: ${mismatch}; 2 ports`, 'm'));
  assert.match(all, new RegExp(`^\\S+ +refused +host h[123] +${mismatch}$`, 'm'));
  assert.equal(
    told.filter(({ on, stdout }) => on === 'h3' && /(^1 packets transmitted, 1 received.*){2}/ms.test(stdout)).length,
    1,
  );
  assert.match(
    all,
    /^controller +ok [^\n]*version 0\.2\.0, [^\n]*\nhosts +ok +3 online$.*^all of one version\n.*^h3-w4 .*^hosts +ok +3 online$/ms,
  );
  assert.match(told.map(({ stderr }) => stderr).join(''), /controller\.db has schema 1000, this program knows \d+/);
  assert.match(told.at(-1)!.stdout, /^controller .* version 0\.1\.0, .*\nhosts +ok +3 online$/m);
});

/** What an installation of before TLS does not have. */
const age = {
  controller: `systemctl disable --now heddle-controller
    rm /etc/systemd/system/heddle-controller.service /var/lib/heddle/controller.db.*
    /opt/heddle/node_modules/.bin/node -e "
      const { DatabaseSync } = require('node:sqlite');
      const db = new DatabaseSync('/var/lib/heddle/controller.db');
      for (const table of ['entry', 'log'])
        for (const key of ['/trust/%', '/grant/%', '/name/grant/%']) db.prepare('DELETE FROM ' + table + ' WHERE key LIKE ?').run(key);
      db.exec(\\"UPDATE entry SET value = json_remove(value, '$.tenants') WHERE key LIKE '/host/%'\\");
      db.exec('DROP TABLE audit; DROP TABLE audit_sort; DROP TABLE audit_began; PRAGMA user_version = 2');"
    printf '[Service]\\nExecStart=/opt/heddle/heddle controller\\n' >/etc/systemd/system/heddle-controller.service
    systemctl daemon-reload`,
  agent: `systemctl disable --now heddle-agent
    rm /etc/systemd/system/heddle-agent.service /var/lib/heddle/agent/identity.json
    printf '[Service]\\nExecStart=/opt/heddle/heddle agent --controller http://192.0.2.1:7470\\n' >/etc/systemd/system/heddle-agent.service
    systemctl daemon-reload`,
};

test('its commands bring an installation of before TLS to certificates and roles', async () => {
  const [h1, h2, h3] = machines as [Machine, Machine, Machine];
  await done(h1, age.controller);
  for (const machine of machines) await done(machine, age.agent);
  const bring = async () => {
    for (const machine of [h2, h3]) {
      const { code, stdout } = await h1.run(`cat /root/tokens/${machine.name}`);
      if (code === 0) await done(machine, `mkdir -p /root/tokens; echo ${stdout.trim()} >/root/tokens/${machine.name}`);
    }
  };
  const told = await runBlocks(fromBefore!, machines, bring);
  const said = (pattern: RegExp) => told.filter(({ stdout }) => pattern.test(stdout)).map(({ on }) => on);
  assert.deepEqual(said(/^h[123] is a host of https:\/\/192\.0\.2\.1:7470$/m), ['h1', 'h2', 'h3']);
  assert.deepEqual(said(/^hosts +ok +3 online$/m), ['h1']);
  await done(h3, 'ip netns exec w3 ping -c 1 -w 5 10.0.0.11');
  await done(h2, 'ip netns add w5; heddle attach netns w5 --tenant acme --network web');
  assert.match(await done(h1, 'heddle token list --json; cat /root/admin-token'), /hdt_/);
});

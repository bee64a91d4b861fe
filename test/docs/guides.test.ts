import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { removeLab } from '../../src/lab/remove.ts';
import { run } from '../../src/lab/run.ts';
import { project } from '../cli/heddle.ts';
import { labName, traces } from '../lab/trace.ts';

/** The commands of a page: its `sh` blocks, in their order. */
function commandsOf(page: string): string {
  const text = readFileSync(join(project, page), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map((block) => block[1]).join('\n');
}

test('the commands of docs/guides/first-network.md work when pasted, one after the other', async () => {
  const name = labName();
  const script = commandsOf('docs/guides/first-network.md');
  assert.ok(script.includes('attach netns'), 'the page has its commands in sh blocks');
  const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
  try {
    const told = await run(['sh', '-euxc', `cd ${project}\n${script}`], { env: { ...env, HEDDLE_LAB: name } });
    assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
    assert.match(told.stdout, /3 packets transmitted, 3 received, 0% packet loss/);
    assert.match(told.stdout, /^1 packets transmitted, 0 received/m);
    assert.deepEqual(traces(name), []);
  } finally {
    await removeLab(name);
  }
});

test('the commands of docs/guides/dns.md work when pasted', async () => {
  const name = labName();
  const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
  try {
    const script = `cd ${project}\n${commandsOf('docs/guides/dns.md')}`;
    const told = await run(['sh', '-euxc', script], { env: { ...env, HEDDLE_LAB: name } });
    assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
    for (const found of ['postgres', 'db1.web.acme.heddle.internal', '2.0.0.10.in-addr.arpa'])
      assert.match(told.stdout, new RegExp(`^${found} +(A|AAAA|PTR) +5 +\\S+$`, 'm'));
    assert.deepEqual(traces(name), []);
  } finally {
    await removeLab(name);
  }
});

test('the commands of docs/guides/dhcp.md work when pasted', async () => {
  const name = labName();
  const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
  try {
    const script = `cd ${project}\n${commandsOf('docs/guides/dhcp.md')}`;
    const told = await run(['sh', '-euxc', script], { env: { ...env, HEDDLE_LAB: name } });
    assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
    assert.match(told.stderr, /lease of 10\.0\.0\.2 obtained from 10\.0\.0\.1, lease time 3600/);
    assert.match(told.stdout, /domain=example\.org/);
    assert.match(told.stdout, /^service_request +event +\d/m);
    assert.deepEqual(traces(name), []);
  } finally {
    await removeLab(name);
  }
});

test('the commands of docs/guides/quotas.md work when pasted, and what shall be refused is', async () => {
  const name = labName();
  const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
  try {
    const script = `cd ${project}\n${commandsOf('docs/guides/quotas.md')}`;
    const told = await run(['sh', '-euxc', script], { env: { ...env, HEDDLE_LAB: name } });
    assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
    assert.match(told.stdout, /^UNIT +USED +LIMIT\nnetworks +1 +5\nsubnets +1 +unlimited\nports +0 +2$/m);
    const refusals = [...told.stderr.matchAll(/^heddle: quota of tenant acme: (\d of \d ports) in use/gm)];
    assert.deepEqual(
      refusals.map(([, use]) => use),
      ['2 of 2 ports', '2 of 1 ports'],
      told.stderr,
    );
    assert.deepEqual(traces(name), []);
  } finally {
    await removeLab(name);
  }
});

test('links between the pages lead to files', () => {
  for (const page of [
    'README.md',
    'docs/README.md',
    'docs/guides/first-network.md',
    'docs/guides/install.md',
    'docs/guides/upgrade.md',
    'docs/architecture.md',
    'CONTRIBUTING.md',
  ])
    for (const [, target] of readFileSync(join(project, page), 'utf8').matchAll(
      /\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g,
    ))
      assert.ok(existsSync(join(project, page, '..', target!)), `${page} links to ${target}`);
});

test('the commands of docs/guides/outside.md work when pasted', async () => {
  const name = labName();
  const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
  try {
    const script = `cd ${project}\n${commandsOf('docs/guides/outside.md')}`;
    const told = await run(['sh', '-euxc', script], { env: { ...env, HEDDLE_LAB: name } });
    assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
    assert.equal(told.stdout.match(/^1 packets transmitted, 1 received/gm)?.length, 2, told.stdout);
    assert.match(told.stdout, /8080/);
    assert.deepEqual(traces(name), []);
  } finally {
    await removeLab(name);
  }
});

test('the commands of docs/guides/history.md work when pasted, and what shall be refused is', async () => {
  const name = labName();
  const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
  try {
    const script = `cd ${project}\n${commandsOf('docs/guides/history.md')}`;
    const told = await run(['sh', '-euxc', script], { env: { ...env, HEDDLE_LAB: name } });
    assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
    for (const shown of [
      /^\d+ +\S+ +update +\S+ +labels\.tier: web -> old; mtuBytes: 1400$/m,
      /^\+ network acme\/extra$.*^~ network acme\/web$/ms,
      /^addresses: +10\.0\.0\.111$.*^1 packets transmitted, 1 received/ms,
    ])
      assert.match(told.stdout, shown);
    assert.deepEqual(
      [...told.stderr.matchAll(/^heddle: .* \[(\w+)\]$/gm)].map(([, code]) => code),
      ['ROLLBACK_REFUSED', 'REVISION_CONFLICT', 'REVISION_CONFLICT'],
      told.stderr,
    );
    assert.deepEqual(traces(name), []);
  } finally {
    await removeLab(name);
  }
});

for (const [page, finds] of [
  ['routing', /^db1\.db +A +5 +10\.0\.1\.12$.*From 10\.0\.0\.1 icmp_seq=1 Time to live exceeded/ms],
  ['virtual-machines', /no program has the tap open/],
  ['migration', /^host: +h1\nstandby: +h2$.*^host: +h2\nstatus: /ms],
  ['metadata', /#cloud-config\npackages: \[nginx\]\n.*"10\.0\.0\.2\/24".*#!\/bin\/sh/s],
  [
    'segments',
    /^\d+ packets transmitted, 1 received.*^plant-[0-9a-f]{12} .*^standby: +h2$.*^\d+ packets transmitted, 3 received/ms,
  ],
  [
    'shared-addresses',
    /^holder: +lb1$.*^1 packets transmitted, 1 received.*^holder: +lb2$.*^1 packets transmitted, 1 received/ms,
  ],
  [
    'doctor',
    /packets of 1400 bytes arrive, and of 1401 to 1500 not.*^ended with 1$.*1500 bytes arrive.*nothing on UDP port 4789 arrives.*^ended with 1$.*1500 bytes arrive/ms,
  ],
  [
    'operating',
    /^hosts +no +1 of 2 online; not: h2$.*^heddle_hosts\{condition="online"\} 2$.*"requestId":"deploy-17"/ms,
  ],
  [
    'apply',
    /^\+ router acme\/r1$.*^6 unchanged .*^host h1\n {2}~ network web$.*^labels: +seen=yes, tier=front$.*^network acme\/db deleted$.*^kind: tenant\nname: acme$/ms,
  ],
  [
    'access',
    /^name: +alice$.*there is no tenant globex.*there is no tenant nowhere.*user:alice may not write tenants.*user:bob may not write networks of tenant acme.*^kind: network\ntenant: acme\nname: web$.*the token is no good.*user:alice may not read grants of tenant acme.*there is no tenant acme.*^\d+ +\S+ +delete/ms,
  ],
  [
    'audit',
    /update +network acme\/web +labels\.tier: web; mtuBytes: 1400$.*refused +network acme\/web +NAME_TAKEN POST.*^\S+ +outsider +-.*^\S+ +user:ann +127\.0\.0\.1 +update +network acme\/web +labels\.owner: ann$/ms,
  ],
  [
    'certificates',
    /^host h2 is shut out$.*^revoked: +(yes|true)$.*^h2 is a host of https:.*^[\w-]{8} +counts still .*^AUTHORITY .*\n[\w-]{8} +signs +\S+ +2 +\S+\n(?!.*counts still)/ms,
  ],
  ['bare-metal', /^1 packets transmitted, 1 received.*^1 packets transmitted, 1 received/ms],
] as const)
  test(`the commands of docs/guides/${page}.md work when pasted`, async () => {
    const name = labName();
    const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
    try {
      const script = `cd ${project}\n${commandsOf(`docs/guides/${page}.md`)}`;
      const told = await run(['sh', '-euxc', script], { env: { ...env, HEDDLE_LAB: name } });
      assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
      assert.match(told.stdout, finds);
      assert.deepEqual(traces(name), []);
    } finally {
      await removeLab(name);
      // Made outside of the lab's names; gone already if all went well.
      for (const server of page === 'bare-metal' ? ['srv-acme', 'srv-globex'] : [])
        await run(['ip', 'netns', 'del', server]);
    }
  });

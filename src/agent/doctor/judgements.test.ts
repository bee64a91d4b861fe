/** What the doctor says of a host, by what was found there: for each check what is well, and each thing that may be wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../model/address.ts';
import { checks } from './all.ts';
import { judgeBpffs } from './checks/bpffs.ts';
import { judgeCertificate } from './checks/certificate.ts';
import { judgeClock, timeOf } from './checks/clock.ts';
import { judgeConntrack } from './checks/conntrack.ts';
import { judgeController } from './checks/controller.ts';
import { judgeDisk } from './checks/disk.ts';
import { judgeDuplicate } from './checks/duplicate.ts';
import { judgeKernel } from './checks/kernel.ts';
import { judgeNames } from './checks/names.ts';
import { judgeNeighbours } from './checks/neighbours.ts';
import { baseChains, judgeNftables } from './checks/nftables.ts';
import { judgeOffload } from './checks/offload.ts';
import { judgePaths } from './checks/path.ts';
import { judgePort } from './checks/port.ts';
import { judgePrivileges } from './checks/privileges.ts';
import { judgePrograms } from './checks/programs.ts';
import { judgeRoutes } from './checks/routes.ts';
import { judgeVtep } from './checks/vtep.ts';
import { type Finding, type Grade, worst } from './finding.ts';

const ip = (text: string) => text as Ip;
const mebibyte = 1024 * 1024;
const path = { udpPort: 4789, device: 'eth0' };
const h2 = { name: 'h2', vtep: ip('198.18.0.2'), online: true, wholeBytes: 1500, fitsBytes: 1500 };
const conntrack = { count: 10, most: 1000, tcpIdleSeconds: 432_000, udpIdleSeconds: 120 };
const device = { name: 'eth0', up: true, carrier: true, mtuBytes: 1500 };
const programs = { device: 'eth0', ours: true, ahead: [], behind: false, runs: true };
const port = { port: 4789, held: false, devices: [], others: [] };
const hosts = new Map([
  ['h1', true],
  ['h2', false],
]);
const chain = { family: 'ip', table: 'firewall', name: 'fwd', hook: 'forward', policy: 'drop' };
const shop = { name: 'acme/shop', prefixes: ['10.0.0.0/24', 'fd00:1::/64'], sourceNat: true };
const pass = { segments: 'device', arrived: true, badChecksums: 0 } as const;
/** A certificate of three days from now on; negative: from so many days before. */
const joined = (days: number) => {
  const [from, dayMs] = [Date.UTC(2026, 0, 1), 86_400_000];
  const certificate = { host: 'h1', from: new Date(from), to: new Date(from + 3 * dayMs) };
  return { controller: 'https://c', now: new Date(from - days * dayMs), certificate };
};
const refusing = (findings: Finding[]) => findings.some((f) => f.refuses);

const table: readonly (readonly [check: string, findings: Finding[], grade: Grade, says: RegExp])[] = [
  ['kernel', judgeKernel({ release: '6.18.0' }), 'ok', /6\.18\.0, programs run by tcx/],
  ['kernel', judgeKernel({ release: '5.15.0-91-generic', jit: '1' }), 'ok', /5\.15\.0-91-generic$/],
  ['kernel', judgeKernel({ release: '5.10.0-28-amd64' }), 'fail', /too old/],
  ['kernel', judgeKernel({ release: '6.1.0', jit: '0' }), 'warn', /interprets/],
  ['privileges', judgePrivileges(0x1ff_ffff_ffffn), 'ok', /root/],
  ['privileges', judgePrivileges(0n), 'fail', /CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN/],
  ['privileges', judgePrivileges(0x1ff_ffff_ffffn & ~(1n << 21n)), 'fail', /lacks CAP_SYS_ADMIN$/],
  ['bpffs', judgeBpffs({ dir: '/b', isBpffs: true, supported: true, runs: true }), 'ok', /\/b is in a bpffs/],
  ['bpffs', judgeBpffs({ dir: '/b', isBpffs: false, supported: true, runs: false }), 'ok', /will mount/],
  ['bpffs', judgeBpffs({ dir: '/b', isBpffs: false, supported: true, runs: true }), 'fail', /no bpffs any more/],
  ['bpffs', judgeBpffs({ dir: '/b', isBpffs: false, supported: false, runs: false }), 'fail', /no BPF file system/],
  ['vtep', judgeVtep({ vtep: ip('198.18.0.1'), device }), 'ok', /198\.18\.0\.1 on eth0, MTU 1500/],
  ['vtep', judgeVtep({}), 'fail', /no default route/],
  ['vtep', judgeVtep({ vtep: ip('198.18.0.1') }), 'fail', /no network device of this host has/],
  ['vtep', judgeVtep({ vtep: ip('198.18.0.1'), device: { ...device, up: false } }), 'fail', /is down/],
  ['vtep', judgeVtep({ vtep: ip('198.18.0.1'), device: { ...device, carrier: false } }), 'fail', /no carrier/],
  ['vtep', judgeVtep({ vtep: ip('198.18.0.1'), device: { ...device, mtuBytes: 1300 } }), 'warn', /too little for IPv6/],
  ['duplicate', judgeDuplicate({ vtep: ip('198.18.0.1'), hosts: [], macs: [], refused: false }), 'ok', /nobody else/],
  ['duplicate', judgeDuplicate({ vtep: ip('198.18.0.1'), hosts: ['h9'], macs: [], refused: false }), 'fail', /host h9/],
  [
    'duplicate',
    judgeDuplicate({ vtep: ip('198.18.0.1'), hosts: [], macs: ['02:00:00:00:00:09'], refused: false }),
    'fail',
    /MAC 02:00:00:00:00:09/,
  ],
  ['duplicate', judgeDuplicate({ vtep: ip('2001:db8::1'), hosts: [], macs: [], refused: true }), 'fail', /kernel/],
  ['duplicate', judgeDuplicate(undefined), 'unknown', /no VTEP address/],
  ['port', judgePort(port), 'ok', /4789 is free/],
  ['port', judgePort({ ...port, held: true }), 'ok', /Heddle’s/],
  [
    'port',
    judgePort({ ...port, devices: [{ name: 'vx0', up: true }], others: [''] }),
    'fail',
    /taken by VXLAN device vx0/,
  ],
  ['port', judgePort({ ...port, devices: [{ name: 'vx0', up: false }] }), 'warn', /vx0/],
  ['port', judgePort({ ...port, held: true, devices: [{ name: 'vx0', up: true }] }), 'warn', /gets nothing/],
  ['port', judgePort({ ...port, others: ['nc (process 7)'] }), 'fail', /taken by nc \(process 7\)/],
  ['port', judgePort({ ...port, others: [''] }), 'fail', /Docker Swarm/],
  ['programs', judgePrograms(programs), 'ok', /nobody is before/],
  ['programs', judgePrograms({ ...programs, behind: true }), 'ok', /others filter behind/],
  ['programs', judgePrograms({ ...programs, ahead: ['cil_from_netdev'] }), 'warn', /cil_from_netdev on eth0 sees/],
  ['programs', judgePrograms({ ...programs, ours: false }), 'fail', /not on eth0/],
  ['programs', judgePrograms({ ...programs, ours: false, runs: false }), 'ok', /nobody/],
  ['programs', judgePrograms(undefined), 'unknown', /no underlay device/],
  ['path', judgePaths({ ...path, paths: [] }), 'ok', /no other host/],
  ['path', judgePaths({ ...path, paths: [h2] }), 'ok', /h2 \(198\.18\.0\.2\): 1500 bytes arrive/],
  [
    'path',
    judgePaths({ ...path, paths: [{ ...h2, fitsBytes: 1400 }] }),
    'fail',
    /1400 bytes arrive, and of 1401 to 1500 not/,
  ],
  ['path', judgePaths({ ...path, paths: [{ ...h2, fitsBytes: 0 }] }), 'fail', /nothing on UDP port 4789 arrives at h2/],
  ['path', judgePaths({ ...path, paths: [{ ...h2, fitsBytes: 0, online: false }] }), 'warn', /not connected/],
  ['path', judgePaths({ ...path, paths: [{ vtep: h2.vtep, fitsBytes: 0 }] }), 'fail', /no route to 198\.18\.0\.2/],
  ['path', judgePaths({ reason: 'no agent', advice: 'start it' }), 'unknown', /no agent/],
  ['controller', judgeController({ address: 'unix:/c', hosts, name: 'h1' }), 'ok', /has this host online/],
  ['controller', judgeController({ address: 'unix:/c', hosts, name: 'h2' }), 'warn', /has h2 offline/],
  ['controller', judgeController({ address: 'unix:/c', hosts, name: 'h3' }), 'warn', /knows no host h3/],
  ['controller', judgeController({ address: 'unix:/c', hosts }), 'unknown', /answers.*no agent/],
  ['controller', judgeController({ address: 'unix:/c', hosts, problem: 'no answer from it' }), 'fail', /no answer/],
  ['certificate', judgeCertificate(joined(-1)), 'ok', /until 2026-01-04T00:00:00\.000Z$/],
  ['certificate', judgeCertificate({ controller: 'unix:/c', now: new Date() }), 'ok', /this machine’s/],
  ['certificate', judgeCertificate({ controller: 'https://c', now: new Date() }), 'unknown', /has not joined/],
  ['certificate', judgeCertificate(joined(-2.1)), 'warn', /late to be renewed/],
  ['certificate', judgeCertificate(joined(-3.1)), 'fail', /ended 2026-01-04/],
  ['certificate', judgeCertificate(joined(-34)), 'fail', /too long ago/],
  [
    'certificate',
    judgeCertificate(joined(1)),
    'fail',
    /from 2026-01-01.* on, and by this host’s clock it is 2025-12-31/,
  ],
  ['clock', judgeClock({ aheadMs: -4_000 }), 'ok', /agrees/],
  ['clock', judgeClock({ aheadMs: 3_600_000 }), 'fail', /3600 s ahead of.*certificates/],
  ['clock', judgeClock({ aheadMs: 299_000 }), 'warn', /299 s ahead of/],
  ['clock', judgeClock({ aheadMs: -61_000 }), 'warn', /61 s behind/],
  ['clock', judgeClock({}), 'unknown', /not told/],
  [
    'routes',
    judgeRoutes({ routes: [{ destination: '192.168.0.0/16', device: 'eth0' }], networks: [shop] }),
    'ok',
    /no route/,
  ],
  [
    'routes',
    judgeRoutes({ routes: [{ destination: '169.254.0.0/16', device: 'eth0' }], networks: [] }),
    'ok',
    /no route/,
  ],
  [
    'routes',
    judgeRoutes({ routes: [{ destination: '169.254.200.0/24', device: 'eth1' }], networks: [] }),
    'fail',
    /by eth1/,
  ],
  [
    'routes',
    judgeRoutes({ routes: [{ destination: '10.0.0.0/8', device: 'tun0' }], networks: [shop] }),
    'warn',
    /acme\/shop has 10\.0\.0\.0\/24/,
  ],
  [
    'routes',
    judgeRoutes({ routes: [{ destination: 'fd00:1::5/128', device: 'tun0' }], networks: [shop] }),
    'warn',
    /fd00:1::\/64/,
  ],
  [
    'routes',
    judgeRoutes({ routes: [{ destination: '10.0.0.0/8', device: 'tun0' }], networks: [{ ...shop, sourceNat: false }] }),
    'ok',
    /no route/,
  ],
  ['neighbours', judgeNeighbours({ most: 1024, hosts: 3 }), 'ok', /1024/],
  ['neighbours', judgeNeighbours({ most: 1024, hosts: 1000 }), 'warn', /1000 other hosts/],
  ['neighbours', judgeNeighbours({ hosts: 3 }), 'ok', /3 other hosts/],
  ['neighbours', judgeNeighbours({ hosts: 1000 }), 'unknown', /cannot be seen/],
  ['nftables', judgeNftables({ chains: [{ ...chain, policy: 'accept' }] }), 'ok', /can be loaded/],
  ['nftables', judgeNftables({ chains: [{ ...chain, table: 'filter', name: 'FORWARD' }] }), 'ok', /can be loaded/],
  ['nftables', judgeNftables({ chains: [chain] }), 'warn', /chain fwd of table ip firewall/],
  ['nftables', judgeNftables({ problem: 'nft cannot be run', chains: [] }), 'fail', /nft cannot be run/],
  ['conntrack', judgeConntrack(undefined), 'ok', /no connection is tracked/],
  ['conntrack', judgeConntrack(conntrack), 'ok', /10 of 1000/],
  ['conntrack', judgeConntrack({ ...conntrack, count: 850 }), 'warn', /850 of 1000/],
  ['conntrack', judgeConntrack({ ...conntrack, count: 1000 }), 'fail', /dropped/],
  ['conntrack', judgeConntrack({ ...conntrack, tcpIdleSeconds: 900 }), 'warn', /idle TCP.*900 s/],
  ['conntrack', judgeConntrack({ ...conntrack, udpIdleSeconds: 30 }), 'warn', /idle UDP.*30 s/],
  ['names', judgeNames({ file: '/r', resolvers: [{ address: '9.9.9.9', problem: '' }] }), 'ok', /9\.9\.9\.9 answers/],
  ['names', judgeNames({ file: '/r', resolvers: [] }), 'warn', /\/r names no resolver/],
  [
    'names',
    judgeNames({ file: '/r', resolvers: [{ address: '9.9.9.9', problem: 'late' }] }),
    'fail',
    /does not answer: late/,
  ],
  [
    'names',
    judgeNames({
      file: '/r',
      resolvers: [
        { address: '9.9.9.9', problem: 'late' },
        { address: '9.9.9.10', problem: '' },
      ],
    }),
    'warn',
    /9\.9\.9\.9 does not answer, and questions wait/,
  ],
  ['disk', judgeDisk({ dir: '/s', freeBytes: 5_000 * mebibyte, freeFiles: 10_000 }), 'ok', /5000 MiB/],
  ['disk', judgeDisk({ dir: '/s', freeBytes: 100 * mebibyte }), 'warn', /only 100 MiB/],
  ['disk', judgeDisk({ dir: '/s', freeBytes: 5 * mebibyte }), 'fail', /5 MiB/],
  ['disk', judgeDisk({ dir: '/s', freeBytes: 5_000 * mebibyte, freeFiles: 3 }), 'fail', /3 more files/],
  ['offload', judgeOffload({ passes: [pass, { ...pass, segments: 'kernel' }] }), 'ok', /both ways/],
  ['offload', judgeOffload({ refused: 'load BPF object: EINVAL', passes: [] }), 'fail', /EINVAL/],
  ['offload', judgeOffload({ passes: [{ ...pass, arrived: false }] }), 'fail', /not arrive whole, with offloads on/],
  [
    'offload',
    judgeOffload({ passes: [{ ...pass, segments: 'kernel', badChecksums: 3 }] }),
    'fail',
    /3 segments.*by the kernel/,
  ],
  ['offload', judgeOffload({ broken: 'no unshare' }), 'unknown', /no unshare/],
];

for (const [check, findings, grade, says] of table)
  test(`${check} is ${grade}: ${says.source}`, () => {
    assert.equal(worst(findings.map((f) => f.grade)), grade);
    assert.match(findings.map((f) => f.text).join(' '), says);
    for (const finding of findings.filter((f) => f.grade === 'ok')) assert.equal(finding.advice, undefined);
    for (const finding of findings.filter((f) => f.grade === 'warn' || f.grade === 'fail'))
      assert.ok(finding.advice, `it is said what to do about: ${finding.text}`);
  });

test('every check has judgements here, among them one where all is well and one where something is not', () => {
  for (const { name } of checks) {
    const grades = table.filter(([check]) => check === name).map(([, , grade]) => grade);
    assert.ok(grades.includes('ok'), name);
    assert.ok(grades.includes('fail') || grades.includes('warn'), name);
  }
});

test('an agent does not start where it cannot work, and does start where only a cable is out or the disk full', () => {
  for (const findings of [
    judgeKernel({ release: '5.10.0' }),
    judgePrivileges(0n),
    judgeBpffs({ dir: '/b', isBpffs: false, supported: false, runs: false }),
    judgeVtep({ vtep: ip('198.18.0.1') }),
    judgePort({ ...port, others: [''] }),
  ])
    assert.equal(refusing(findings), true, String(findings[0]?.text));
  for (const findings of [
    judgeVtep({ vtep: ip('198.18.0.1'), device: { ...device, carrier: false } }),
    judgeDisk({ dir: '/s', freeBytes: 0 }),
    judgePort({ ...port, held: true, devices: [{ name: 'vx0', up: true }] }),
  ])
    assert.equal(refusing(findings), false, String(findings[0]?.text));
});

test('of several findings the worst counts, and what could not be looked at is less than a warning', () => {
  assert.equal(worst([]), 'ok');
  assert.equal(worst(['ok', 'unknown']), 'unknown');
  assert.equal(worst(['unknown', 'warn', 'ok']), 'warn');
  assert.equal(worst(['warn', 'fail', 'unknown']), 'fail');
});

test('a Date header is read as the middle of its second', () => {
  assert.equal(timeOf('Sun, 06 Nov 1994 08:49:37 GMT'), Date.UTC(1994, 10, 6, 8, 49, 37, 500));
  assert.equal(timeOf('yesterday'), undefined);
  assert.equal(timeOf(undefined), undefined);
});

test('base chains are found among the chains that nft lists', () => {
  const listing = {
    nftables: [{ metainfo: { version: '1.0.6' } }, { chain }, { chain: { family: 'ip', table: 't', name: 'c' } }],
  };
  assert.deepEqual(baseChains(JSON.stringify(listing)), [chain]);
});

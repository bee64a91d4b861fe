/** Real cloud-init reads what Heddle says, by each of its data sources, and does what the user data ask for. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { vpcId } from '../../src/agent/metadata/ec2.ts';
import type { NetworkId } from '../../src/model/ids.ts';
import { Rig } from '../agent/rig.ts';
import { blank } from '../dhcp/clients.ts';
import { type Booted, boot } from './cloud-init.ts';
import { Guest } from './guest.ts';

const rig = await Rig.open({ hosts: 1 });
const sshKeys = ['ssh-ed25519 AAA one', 'ssh-rsa BBB two'];
const userData = `#cloud-config
write_files:
- {path: /etc/written, content: "by cloud-init\\n"}
runcmd:
- [sh, -c, "echo ran >/etc/ran"]
`;
const vm = await Guest.open(rig, 'h1', { name: 'vm1', userData, sshKeys });
after(async () => {
  await vm[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

function assertBooted(booted: Booted, source: RegExp): void {
  const { files, common, errors } = booted;
  assert.match(booted.source, source);
  assert.deepEqual(errors, []);
  assert.equal(common.instance_id, vm.port.id);
  assert.equal(common.local_hostname, 'vm1');
  assert.deepEqual(common.public_ssh_keys, sshKeys);
  assert.match(files['/etc/hostname']!, /^vm1$/m);
  assert.equal(files['/etc/written'], 'by cloud-init\n');
  assert.equal(files['/etc/ran'], 'ran\n');
  for (const key of sshKeys) assert.ok(files['/root/.ssh/authorized_keys']!.includes(key));
  assert.doesNotMatch(files['/var/log/cloud-init.log']!, /\(404,/);
}

for (const [family, url] of [
  ['IPv4', 'http://169.254.169.254'],
  ['IPv6', 'http://[fd00:ec2::254]'],
])
  test(`by the EC2 data source, over ${family}`, async () => {
    const config = `datasource_list: [Ec2]\ndatasource: {Ec2: {strict_id: false, metadata_urls: ["${url}"]}}`;
    const booted = await boot(vm.workload, config);
    assertBooted(booted, /^DataSourceEc2$/);
    assert.equal(booted.common.availability_zone, 'h1');
    const { network } = booted.metadata as { network: { interfaces: { macs: Record<string, object> } } };
    const [four, six] = vm.port.addresses;
    const nic = network.interfaces.macs[vm.port.mac] as Record<string, unknown>;
    assert.deepEqual([nic['local-ipv4s'], nic.ipv6s, nic['vpc-id']], [four, six, vpcId(vm.port.network as NetworkId)]);
  });

test('by the EC2 data source on a machine like Amazon’s, with session tokens and the identity document', async () => {
  const booted = await boot(vm.workload, 'datasource_list: [Ec2]', { ec2: true });
  assertBooted(booted, /^DataSourceEc2$/);
  assert.deepEqual([booted.common.cloud_name, booted.common.region], ['aws', 'heddle']);
  assert.match(booted.files['/var/log/cloud-init.log']!, /api\/token' with .*'PUT'/);
});

test('by the NoCloud data source', async () => {
  const seed = 'datasource_list: [NoCloud]\ndatasource: {NoCloud: {seedfrom: "http://169.254.169.254/"}}';
  assertBooted(await boot(vm.workload, seed), /^DataSourceNoCloudNet/);
});

test('by the EC2 data source before there is a network: by DHCP from the same host', async () => {
  await blank(vm.workload.path);
  assertBooted(await boot(vm.workload, 'datasource_list: [Ec2]', { ec2: true, local: true }), /^DataSourceEc2Local$/);
});

/** `heddle attach` and `heddle detach`: workloads of this host, through its agent's socket. */
import type { Command } from 'commander';
import { HeddleError, hasCode } from '../model/errors.ts';
import {
  type Attached,
  type Attachment,
  type AttachmentList,
  type AttachRequest,
  placeOf,
} from '../model/local-api.ts';
import { userId } from './accounts.ts';
import { agentRequest } from './agent-request.ts';
import { collect, integer, makeCommand, printJson, requireTenant, type Typed, withShared } from './command.ts';
import { withHint } from './exit.ts';
import { fileForm, fileKeys, fileText } from './file-text.ts';
import { parseLabels } from './flags.ts';
import type { Io } from './io.ts';
import { pairs, table } from './table.ts';

interface AttachTyped extends Typed {
  network: string;
  port?: string;
  ifname?: string;
  address?: string[];
  mac?: string;
  label?: string[];
  userData?: string;
  sshKey?: string[];
}

/** What is common to the requests of all kinds. */
type Common = Omit<Pick<AttachRequest, keyof AttachRequest>, 'kind'>;

/** A namespace as its path: a path stays, a number is a process, anything else a name of `ip netns`. */
const netnsOf = (target: string): string =>
  target.includes('/') ? target : /^\d+$/.test(target) ? `/proc/${target}/ns/net` : `/run/netns/${target}`;

export function attachCommand(io: Io): Command {
  const group = makeCommand('attach', 'Put a workload of this host on a network', [
    'heddle attach netns w1 --tenant acme --network web',
    'heddle attach tap --tenant acme --network web --port vm1',
    'heddle attach host --tenant acme --network web',
    'heddle attach device eth2 --vlan 120 --tenant acme --network web --port plant',
  ]);
  for (const make of [netnsCommand, tapCommand, hostCommand, deviceCommand, listCommand]) group.addCommand(make(io));
  return group;
}

function netnsCommand(io: Io): Command {
  const command = makeCommand('netns', 'Attach a network namespace: makes a port, and its interface in the namespace', [
    'heddle attach netns w1 --tenant acme --network web',
    'heddle attach netns /run/netns/w1 --tenant acme --network web --address 10.0.0.7 --ifname net0',
    'heddle attach netns 4711 --tenant acme --network web --port db1 --json',
  ]).argument('<namespace>', 'a path, a name of "ip netns", or a process id');
  return withCommon(command, 'the interface’s name in the namespace (default: the first free eth<N>)').action(
    (target: string, typed: AttachTyped) =>
      attach(io, typed, { kind: 'netns', target: netnsOf(target), ...common(typed) }),
  );
}

function tapCommand(io: Io): Command {
  const command = makeCommand(
    'tap',
    'Attach a tap for a virtual machine: makes a port and the tap, or takes one that is there',
    [
      'heddle attach tap --tenant acme --network web --port vm1',
      'heddle attach tap --tenant acme --network web --port vm1 --ifname tap-vm1 --owner libvirt-qemu --queues 4',
      'heddle attach tap --tenant acme --network web --port vm1 --standby',
    ],
  )
    .option('--owner <user>', 'who may open it besides root: a user’s name or number', (user) =>
      userId(user, '--owner'),
    )
    .option('--queues <number>', 'how often it may be open at once, each time for a queue', integer)
    .option('--standby', 'the port is another host’s, from which its guest is about to move here');
  return withCommon(command, 'the tap’s name; one that is there is taken, and left on detach').action(
    (typed: AttachTyped & { owner?: number; queues?: number; standby?: true }) => {
      const { owner, queues, standby } = typed;
      const more = {
        ...(owner !== undefined && { owner }),
        ...(queues !== undefined && { queues }),
        ...(standby && { standby }),
      };
      return attach(io, typed, { kind: 'tap', ...more, ...common(typed) });
    },
  );
}

function hostCommand(io: Io): Command {
  const command = makeCommand(
    'host',
    'Attach this host itself: makes a port, and its interface beside the host’s others',
    [
      'heddle attach host --tenant acme --network web',
      'heddle attach host --tenant acme --network web --address 10.0.0.9 --route 10.7.0.0/16',
      'heddle attach host --netns acme --tenant acme --network web',
    ],
  )
    .option(
      '--netns <name>',
      'be in this network namespace (of "ip netns") instead of the host’s own; made if it is not there, and then removed with its last port',
    )
    .option('--route <prefix>', 'what the host is to reach through the subnet’s gateway (repeatable)', collect);
  return withCommon(command, 'the interface’s name (default: the first free heddle<N>)').action(
    (typed: AttachTyped & { netns?: string; route?: string[] }) => {
      const { netns, route: routes } = typed;
      const more = { ...(netns !== undefined && { netns }), ...(routes && { routes }) };
      return attach(io, typed, { kind: 'host', ...more, ...common(typed) });
    },
  );
}

function deviceCommand(io: Io): Command {
  const command = makeCommand(
    'device',
    'Attach a NIC, or one VLAN on it, as a physical segment: machines without an agent are behind its port',
    [
      'heddle attach device eth2 --tenant acme --network web --port plant',
      'heddle attach device eth2 --vlan 120 --tenant acme --network web --port plant --learn 50',
    ],
  )
    .argument('<nic>', 'the NIC’s name')
    .option('--vlan <tag>', 'the tag of the segment’s frames (default: those without one)', integer)
    .option(
      '--learn <number>',
      'how many machines may become ports when they are heard (default: 1000; 0: none)',
      integer,
    )
    .option(
      '--age <seconds>',
      'after how long a machine that says nothing is asked whether it is there (default: 300)',
      integer,
    )
    .requiredOption('--network <name>', 'the network, by name or id')
    .option('--port <name>', 'the segment’s port, or the name of the one to make; one of another host gets a standby')
    .option('--label <key=value>', 'a label of the port that is made (repeatable)', collect);
  return withShared(command, 'tenant', 'agent', 'json').action(
    (ifname: string, typed: AttachTyped & { vlan?: number; learn?: number; age?: number }) => {
      const { vlan, learn, age } = typed;
      const more = {
        ...(vlan !== undefined && { vlan }),
        ...(learn !== undefined && { learn }),
        ...(age !== undefined && { ageSeconds: age }),
      };
      return attach(io, typed, { kind: 'device', ...more, ...common(typed), ifname });
    },
  );
}

/** The options of every kind. */
const withCommon = (command: Command, ifname: string): Command =>
  withShared(
    command
      .requiredOption('--network <name>', 'the network, by name or id')
      .option('--port <name>', 'an existing port, or the name of the one to make')
      .option('--ifname <name>', ifname)
      .option('--address <ip>', 'a fixed address (repeatable)', collect)
      .option('--mac <mac>', 'a fixed MAC')
      .option('--label <key=value>', 'a label of the port that is made (repeatable)', collect)
      .option(`--user-data <${fileForm('text')}>`, 'what the guest of the port that is made reads when it starts')
      .option(
        `--ssh-key <${fileForm('key')}>`,
        'a public key by which it lets its first user log in (repeatable)',
        collect,
      ),
    'tenant',
    'agent',
    'json',
  );

function common(typed: AttachTyped): Common {
  const { network, port, ifname, address: addresses, mac, label, userData, sshKey } = typed;
  return {
    tenant: requireTenant(typed),
    network,
    ...(port !== undefined && { port }),
    ...(ifname !== undefined && { ifname }),
    ...(addresses && { addresses }),
    ...(mac !== undefined && { mac }),
    ...(label && { labels: parseLabels(label) }),
    ...(userData !== undefined && { userData: fileText('user-data', userData) }),
    ...(sshKey && { sshKeys: sshKey.flatMap((key) => fileKeys('ssh-key', key)) }),
  };
}

async function attach(io: Io, typed: Typed, body: AttachRequest): Promise<void> {
  const attached = await agentRequest<Attached>(typed, 'POST', '/v1/attachments', { body }).catch(timedOut);
  if (typed.json) return printJson(io, attached);
  const { name, addresses, mac } = attached.port;
  const { ifname, device } = attached;
  io.out(
    pairs([
      ['port', name],
      ['interface', ifname],
      ['addresses', addresses.join(', ')],
      ['mac', mac],
      ['device', device],
    ]),
  );
}

/** Other writes stay and will be applied; an attach that is not applied in time undoes itself. */
function timedOut(e: unknown): never {
  if (!hasCode(e, 'WAIT_TIMEOUT')) throw e;
  throw withHint(e, 'it was undone, unless it was attached before; "heddle attach list" shows what is');
}

function listCommand(io: Io): Command {
  const command = makeCommand('list', 'List the workloads attached on this host', [
    'heddle attach list',
    'heddle attach list --json',
  ]);
  return withShared(command, 'agent', 'json').action(async (typed: Typed) => {
    const answer = await agentRequest<AttachmentList>(typed, 'GET', '/v1/attachments');
    if (typed.json) return printJson(io, answer);
    if (answer.items.length === 0) return io.err('nothing is attached on this host\n');
    const rows = answer.items.map((a) => [
      a.name,
      a.tenant,
      a.network,
      placeOf(a),
      'ifname' in a ? a.ifname : '',
      a.state,
    ]);
    io.out(table(['port', 'tenant', 'network', 'workload', 'interface', 'state'], rows));
  });
}

export function detachCommand(io: Io): Command {
  const command = makeCommand(
    'detach',
    'Take a workload of this host off its network; a port made by attach goes too',
    ['heddle detach h1-w1', 'heddle detach vm1 --tenant acme', 'heddle detach --netns w1'],
  )
    .argument('[port]', 'the port, by name or id')
    .option('--netns <namespace>', 'all attachments of this namespace: a path, a name, or a process id');
  type Detach = Typed & { netns?: string };
  return withShared(command, 'tenant', 'agent', 'json').action(async (port: string | undefined, typed: Detach) => {
    if ((port === undefined) === (typed.netns === undefined))
      throw new HeddleError('USAGE', { problem: 'give a port or --netns' });
    const ports = port !== undefined ? [port] : await portsIn(typed, netnsOf(typed.netns!));
    const query = port !== undefined && typed.tenant ? { tenant: typed.tenant } : {};
    for (const one of ports) {
      await agentRequest(typed, 'DELETE', `/v1/attachments/${encodeURIComponent(one)}`, { query });
      if (!typed.json) io.out(`port ${one} detached\n`);
    }
    if (typed.json) printJson(io, { detached: ports });
  });
}

/** The ports attached in a namespace. @throws NOT_FOUND */
async function portsIn(typed: Typed, path: string): Promise<string[]> {
  const { items } = await agentRequest<AttachmentList>(typed, 'GET', '/v1/attachments');
  const isThere = (a: Attachment): boolean =>
    a.kind === 'netns'
      ? a.target.path === path
      : a.kind === 'host' && a.netns !== undefined && netnsOf(a.netns) === path;
  const here = items.filter((a) => isThere(a) && a.state !== 'detaching');
  const ports = here.map((a) => a.port);
  if (ports.length === 0) throw new HeddleError('NOT_FOUND', { kind: 'attachment in', name: path });
  return ports;
}

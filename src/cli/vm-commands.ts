/** `heddle vm`: what runs virtual machines, told of ports that are attached here. */
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { openLocal } from '../client/local.ts';
import { HeddleError } from '../model/errors.ts';
import type { AttachmentDetails } from '../model/local-api.ts';
import { qemuArguments } from '../vm/qemu-args.ts';
import { agentRequest } from './agent-request.ts';
import { defaults, makeCommand, printJson, type Typed, withShared } from './command.ts';
import type { Io } from './io.ts';

export function vmCommand(io: Io): Command {
  return makeCommand('vm', 'Virtual machines on ports of this host', ['heddle vm qemu-args vm1'])
    .addCommand(qemuArgsCommand(io))
    .addCommand(libvirtHookCommand());
}

function qemuArgsCommand(io: Io): Command {
  const command = makeCommand('qemu-args', 'Print QEMU’s arguments for a port that is attached here as a tap', [
    'heddle vm qemu-args vm1',
    'heddle vm qemu-args vm1 --tenant acme --vhost --json',
  ])
    .argument('<port>', 'the port, by name or id')
    .option('--vhost', 'let the kernel’s vhost-net carry the packets, not QEMU');
  type QemuArgs = Typed & { vhost?: boolean };
  return withShared(command, 'tenant', 'agent', 'json').action(async (port: string, typed: QemuArgs) => {
    const query = typed.tenant ? { tenant: typed.tenant } : {};
    const path = `/v1/attachments/${encodeURIComponent(port)}`;
    const { attachment, mac, mtuBytes } = await agentRequest<AttachmentDetails>(typed, 'GET', path, { query });
    if (attachment.kind !== 'tap')
      throw new HeddleError('USAGE', { problem: `port ${attachment.name} is attached here, but not as a tap` });
    const { ifname, queues } = attachment;
    const args = qemuArguments({ ifname, mac, mtuBytes, queues }, typed);
    if (typed.json) printJson(io, { port: attachment.port, ifname, mac, mtuBytes, queues, args });
    else io.out(`${args.join(' ')}\n`);
  });
}

function libvirtHookCommand(): Command {
  const command = makeCommand(
    'libvirt-hook',
    'Attach or detach the ports of a libvirt guest; libvirt’s hook runs it, with the domain on standard input',
    ['virsh dumpxml vm1 | heddle vm libvirt-hook vm1 prepare begin -'],
  )
    .argument('<guest>', 'name of the domain')
    .argument('<operation>', 'prepare attaches, migrate has ports stand by, release detaches, others do nothing')
    .argument('[rest...]', 'what else libvirt says');
  return withShared(command, 'agent').action(
    async (_guest: string, operation: string, _rest: string[], typed: Typed) => {
      if (operation !== 'prepare' && operation !== 'migrate' && operation !== 'release') return;
      const { parseDomain } = await import('../vm/domain.ts');
      const { awaitGuest, prepareGuest, releaseGuest, tapIsOpen } = await import('../vm/libvirt-hook.ts');
      const ports = parseDomain(await text(process.stdin));
      const agent = openLocal(typed.agent ?? defaults.agent);
      const steps = { migrate: awaitGuest, prepare: prepareGuest, release: releaseGuest };
      await steps[operation]({ agent, isOpen: tapIsOpen }, ports);
    },
  );
}

/** Domains of tests: around the XML of the guide, as it stands there. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { project } from '../../cli/heddle.ts';
import { GuestShell } from '../guest-shell.ts';
import { type GuestImage, shellPort } from '../image.ts';
import type { Libvirt } from './libvirt.ts';

/** A guest of a libvirtd, with the folder of its sockets and console. */
export interface Domain {
  readonly libvirt: Libvirt;
  readonly dir: string;
  readonly image: GuestImage;
}

/** The guide's metadata and interface. */
export function guideBlocks(): [metadata: string, nic: string] {
  const text = readFileSync(join(project, 'docs/guides/virtual-machines.md'), 'utf8');
  const [metadata = '', nic = ''] = [...text.matchAll(/^```xml\n(.*?)^```$/gms)].map((block) => block[1]!);
  return [metadata, nic];
}

const shellSocket = (dir: string, name: string): string => join(dir, `${name}.shell`);

/** Defines a guest around what the guide says. */
export async function define(
  { libvirt, dir, image }: Domain,
  name: string,
  metadata: string,
  nic: string,
): Promise<void> {
  const path = join(dir, `${name}.xml`);
  await writeFile(
    path,
    `<domain type='qemu'>
  <name>${name}</name>
  ${metadata}
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${image.kernel}</kernel>
    <initrd>${image.initramfs}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    ${nic.replace('</interface>', "<rom enabled='no'/></interface>")}
    <channel type='unix'><source mode='bind' path='${shellSocket(dir, name)}'/><target type='virtio' name='${shellPort}'/></channel>
    <serial type='file'><source path='${join(dir, `${name}.console`)}'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>`,
  );
  await libvirt.must('define', path);
}

/** The shell of a guest that is running; it has come up when `up()` says so. */
export function shellOf(dir: string, name: string): GuestShell {
  const socket = connect(shellSocket(dir, name));
  return new GuestShell(socket, socket, () => readFileSync(join(dir, `${name}.console`), 'utf8'));
}

/** Gives the guest a port's addresses. */
export async function configure(shell: GuestShell, addresses: readonly string[]): Promise<void> {
  const [ip4, ip6] = ['.', ':'].map((mark) => addresses.find((ip) => ip.includes(mark)));
  await shell.must(`ip link set eth0 up
    ip address add ${ip4}/24 dev eth0
    ip address add ${ip6}/64 dev eth0
    while ip -6 address show dev eth0 | grep -q tentative; do usleep 50000; done`);
}

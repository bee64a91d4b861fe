/** Real clients in a workload's namespace, and what they are told. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';

const script = fileURLToPath(new URL('client-script.sh', import.meta.url));

/** What a client's script was run for, with its variables. */
export interface Event {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/** A client that runs; disposing ends it. */
export class Client implements AsyncDisposable {
  readonly #child: ReturnType<typeof spawn>;
  readonly #dir: string;
  readonly #ended: Promise<unknown>;
  #text = '';
  #seen = 0;

  constructor(netns: string, argv: readonly string[], dir: string) {
    this.#dir = dir;
    this.#child = spawn('nsenter', [`--net=${netns}`, '--', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = once(this.#child, 'close');
    for (const out of [this.#child.stdout!, this.#child.stderr!])
      out.setEncoding('utf8').on('data', (part: string) => {
        this.#text += part;
      });
  }

  /** All that it said. */
  get said(): string {
    return this.#text;
  }
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
  /** The next event of one of these names that was not asked for yet. */
  next(...names: string[]): Promise<Event> {
    return until(names.join(' or '), 15_000, async () => {
      const events = this.#events();
      const at = events.findIndex((e, i) => i >= this.#seen && names.includes(e.name));
      if (at < 0) return undefined;
      this.#seen = at + 1;
      return events[at];
    }).catch((cause: unknown) => {
      throw new Error(this.#text, { cause });
    });
  }

  #events(): Event[] {
    const events: Event[] = [];
    let values: Record<string, string> = {};
    for (const [, name = '', rest = ''] of this.#text.matchAll(/^EVENT (\S+) (.*)$/gm)) {
      if (rest === '.') {
        events.push({ name, values });
        values = {};
      } else values[rest.slice(0, rest.indexOf('='))] = rest.slice(rest.indexOf('=') + 1);
    }
    return events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await this.#ended;
    clearTimeout(timer);
    rmSync(this.#dir, { recursive: true });
  }
}

const folder = (): string => mkdtempSync(`${tmpdir()}/hd-dhcp-`);

/** busybox's client; it stays in the foreground and renews on SIGUSR1. */
export const udhcpc = (netns: string, ...more: string[]): Client =>
  new Client(
    netns,
    ['busybox', 'udhcpc', '-i', 'eth0', '-f', '-n', '-t', '10', '-T', '1', '-s', script, ...more],
    folder(),
  );

/** ISC's client; `leases`: what it remembers. */
export function dhclient(netns: string, family: 4 | 6, leases = '', ...more: string[]): Client {
  const dir = folder();
  writeFileSync(`${dir}/leases`, leases);
  const files = ['-sf', script, '-lf', `${dir}/leases`, '-pf', `${dir}/pid`, '-cf', '/dev/null'];
  return new Client(netns, ['/sbin/dhclient', `-${family}`, '-d', '-v', '-1', ...files, ...more, 'eth0'], dir);
}

/** systemd's, with nothing of the machine's own in its sight that it could change. */
export function networkd(netns: string): Client {
  const dir = folder();
  writeFileSync(
    `${dir}/eth0.network`,
    '[Match]\nName=eth0\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n[DHCPv4]\nUseMTU=yes\n',
  );
  const steps = [
    'mount -t sysfs -o ro sysfs /sys',
    'mount -t tmpfs tmpfs /run',
    'mkdir -p /run/systemd/network /run/systemd/netif',
    `cp ${dir}/eth0.network /run/systemd/network/`,
    'chown -R systemd-network /run/systemd',
    'exec /lib/systemd/systemd-networkd',
  ];
  return new Client(netns, ['unshare', '--mount', '--uts', 'sh', '-euc', steps.join('\n')], dir);
}

/** Takes all of a workload's interface away that its attach has set up, as if it were a machine that has just started. */
export async function blank(netns: string, options: { acceptRa?: boolean } = {}): Promise<void> {
  const acceptRa = `echo ${options.acceptRa ? 1 : 0} > /proc/sys/net/ipv6/conf/eth0/accept_ra`;
  const steps = ['ip link set eth0 down', 'ip address flush dev eth0', acceptRa, 'ip link set eth0 up'];
  await must(['nsenter', `--net=${netns}`, '--', 'sh', '-euc', steps.join('\n')]);
}

/** What `ip` shows in a namespace. */
export const shown = (netns: string, ...words: string[]): Promise<string> =>
  must(['nsenter', `--net=${netns}`, '--', 'ip', ...words]);

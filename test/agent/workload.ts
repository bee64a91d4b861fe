import { type Address, addressList } from '../../src/kernel/address.ts';
import { type Link, linkList } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { type Route, routeList } from '../../src/kernel/route.ts';
import type { Lab } from '../../src/lab/lab.ts';
import type { Ran } from '../../src/lab/run.ts';
import { forgetNeighbours } from './forget-neighbours.ts';

/** What a namespace looks like from inside. */
export interface Inside {
  readonly links: readonly Link[];
  /** "address/length". */
  addresses(ifname: string): string[];
  /** Default routes: "gateway interface". */
  readonly defaults: string[];
  link(ifname: string): Link | undefined;
}

/** A network namespace of a lab; disposing removes it. */
export class Workload implements AsyncDisposable {
  readonly name: string;
  /** Path of the namespace. */
  readonly path: string;
  readonly #lab: Lab;
  #there = true;

  constructor(lab: Lab, name: string, path: string) {
    this.#lab = lab;
    this.name = name;
    this.path = path;
  }

  inside(): Inside {
    using ns = openNetns(this.path);
    using nl = openNetlink(ns);
    const links = linkList(nl);
    const all: readonly Address[] = addressList(nl);
    const routes: readonly Route[] = routeList(nl).filter((r) => r.table === 254 && r.type === 1);
    const nameOf = (ifindex: number | undefined) => links.find((l) => l.ifindex === ifindex)?.name;
    return {
      links,
      link: (ifname) => links.find((l) => l.name === ifname),
      addresses: (ifname) => all.filter((a) => nameOf(a.ifindex) === ifname).map((a) => `${a.ip}/${a.prefixLength}`),
      defaults: routes.filter((r) => /^(0\.0\.0\.0|::)\/0$/.test(r.dst)).map((r) => `${r.gateway} ${nameOf(r.oif)}`),
    };
  }

  /** What to run instead of a program to have it run here. */
  argv(argv: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...argv];
  }
  exec(argv: readonly string[], signal?: AbortSignal): Promise<Ran> {
    return this.#lab.execIn(this.name, argv, signal ? { signal } : {});
  }
  /** Whether a ping is answered within so many seconds. */
  async reaches(ip: string, withinS = 2): Promise<boolean> {
    const { code } = await this.exec(['ping', '-n', '-q', '-c', '1', '-i', '0.2', '-w', String(withinS), ip]);
    return code === 0;
  }
  /** Forgets MACs: an address that is given again comes with another one, which a workload learns by itself only in time. */
  forgetNeighbours(): void {
    using ns = openNetns(this.path);
    using nl = openNetlink(ns);
    forgetNeighbours(nl, 'eth0');
  }
  async remove(): Promise<void> {
    this.#there = false;
    await this.#lab.removeWorkload(this.name);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#there) await this.remove();
  }
}

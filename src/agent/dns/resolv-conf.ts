/** The host's resolvers, from its resolv.conf, read again when it changes. */
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';

/** A resolver to ask. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

/** As many as the C library heeds. */
const SERVERS_MAX = 3;
/** So long the file is believed to be as it was, milliseconds. */
const FRESH_MS = 1_000;

/** The servers that a resolv.conf names, in its order. A systemd-resolved stub (127.0.0.53) is one like any other: it is asked from the host. */
export function parseResolvConf(text: string): Upstream[] {
  const servers = text.split('\n').flatMap((line) => {
    const [word, address = ''] = line.trim().split(/\s+/);
    return word === 'nameserver' && isIP(address) !== 0 ? [{ address, port: 53 }] : [];
  });
  return servers.slice(0, SERVERS_MAX);
}

/** A resolv.conf that is looked at again when it is asked for, at most once a second; it may be replaced or missing. */
export class ResolvConf {
  readonly path: string;
  readonly #now: () => number;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #version = '';
  #servers: readonly Upstream[] = [];

  constructor(path: string, now: () => number = () => performance.now()) {
    this.path = path;
    this.#now = now;
  }

  get servers(): readonly Upstream[] {
    if (this.#now() - this.#checkedAt < FRESH_MS) return this.#servers;
    this.#checkedAt = this.#now();
    try {
      const stat = statSync(this.path, { bigint: true });
      const version = `${stat.dev}:${stat.ino}:${stat.mtimeNs}:${stat.size}`;
      if (version === this.#version) return this.#servers;
      this.#servers = parseResolvConf(readFileSync(this.path, 'utf8'));
      this.#version = version;
    } catch {
      // Missing, going in this moment, or no file at all: there is no resolver until it can be read.
      this.#servers = [];
      this.#version = '';
    }
    return this.#servers;
  }
}

import { X509Certificate } from 'node:crypto';
import type { Logger } from 'pino';
import type { Client } from '../client/client.ts';
import type { CurrentCredentials } from '../client/credentials.ts';
import type { ServerTls, TlsContext } from '../listen/tls-server.ts';
import type { Renewed } from '../model/trust.ts';
import { makeRequest } from '../trust/request.ts';
import { LATE_SHARE, shareLeft } from '../trust/validity.ts';
import { credentialsOf, type Identity, readIdentity, requireUsable, writeIdentity } from './identity.ts';
import { Pause } from './pause.ts';
import { isShutOut, shutOutMs } from './verdict.ts';

/** Between two tries to have it renewed. */
const againMs = 60_000;
/** It is looked at again at least so often: a machine that slept, or whose clock was set, is not late by all of that. */
const lookMs = 3_600_000;
/** Between two looks at the file that it is in. */
const lookAtFileMs = 5_000;

/** How it is with the host's certificate. */
export interface CertificateStatus {
  /** ISO 8601. */
  readonly until: string;
  readonly problem?: string;
}

/** The host's certificate, which is renewed, with a new key, when a third of its time is over. */
export class OwnCertificate implements ServerTls, AsyncDisposable {
  readonly #stateDir: string;
  readonly #log: Pick<Logger, 'info' | 'warn'>;
  readonly #stop = new AbortController();
  #identity: Identity;
  #credentials: TlsContext;
  readonly #listeners = new Set<(context: TlsContext) => void>();
  #renewing: Promise<void> | undefined;
  #wanted = false;
  /** Why it was not renewed at the last try. */
  #failure: string | undefined;
  #looking: NodeJS.Timeout | undefined;
  /** What was said last of what is in the file. */
  #said = '';
  readonly #pause = new Pause();

  constructor(stateDir: string, identity: Identity, log: Pick<Logger, 'info' | 'warn'>) {
    this.#stateDir = stateDir;
    this.#log = log;
    this.#identity = identity;
    this.#credentials = credentialsOf(identity);
  }

  /** The same object until the certificate is another one. */
  readonly credentials: CurrentCredentials = () => this.#credentials;
  /** The same, as a server shows it. */
  get context(): TlsContext {
    return this.#credentials;
  }
  /** Calls with each certificate that takes the place of another one, until it is disposed of. */
  onRenewed(listener: (context: TlsContext) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Until when it holds, and why it was not renewed, if that should have been long ago. */
  get status(): CertificateStatus {
    const { validToDate } = new X509Certificate(this.#identity.cert);
    const until = validToDate.toISOString();
    if (shareLeft(new Date(this.#identity.issuedAt), validToDate, new Date()) >= LATE_SHARE) return { until };
    return {
      until,
      problem: `it holds until ${until}, and is not renewed: ${this.#failure ?? 'it is being asked for'}`,
    };
  }

  /** The controller has given this host another name. */
  renamed(name: string): void {
    const { controller, host } = this.#identity;
    if (host.name === name) return;
    this.#identity = { ...this.#identity, host: { ...host, name } };
    const about = { before: host.name, name, controller };
    this.#log.warn(about, 'this host has another name');
    // What it has joined with meanwhile has a name of its own.
    if (this.#joined()) return;
    try {
      writeIdentity(this.#stateDir, this.#identity);
    } catch (err) {
      this.#log.warn({ err, ...about }, 'that is not written down; it is told again to an agent that starts');
    }
  }

  /** Has it renewed although it is not time. */
  renewNow(): void {
    this.#wanted = true;
    this.#pause.end();
  }

  /** Renews it whenever it is time, from now on, and takes the one by which the host joins again as the same. */
  begin(client: Pick<Client, 'request'>, lookEachMs = lookAtFileMs): void {
    const look = () => {
      if (this.#joinedAgain()) this.#announce();
    };
    // It is read each time: what was written since the start counts too, and whatever times the file has.
    this.#looking = setInterval(look, lookEachMs).unref();
    this.#renewing = this.#run(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#looking);
    this.#stop.abort();
    this.#pause.end();
    await this.#renewing;
  }

  async #run(client: Pick<Client, 'request'>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let wait = Math.min(renewalOf(this.#identity) - Date.now(), lookMs);
      if (wait <= 0 || this.#wanted)
        try {
          this.#wanted = false;
          await this.#renew(client, signal);
          this.#failure = undefined;
          this.#announce();
          continue;
        } catch (err) {
          if (signal.aborted) return;
          this.#failure = (err as Error).message;
          this.#wanted = true;
          this.#log.warn({ err, until: this.status.until }, 'the certificate was not renewed; it is tried again');
          wait = (isShutOut(err) ? shutOutMs : againMs) * (0.5 + Math.random());
        }
      await this.#pause.wait(wait);
    }
  }

  #announce(): void {
    for (const listener of this.#listeners) listener(this.#credentials);
  }

  /** By `heddle agent join` beside this process; as another host, or elsewhere, only a new process goes on. */
  #joinedAgain(): boolean {
    const joined = this.#joined();
    if (!joined) return false;
    const { controller, host } = joined;
    if (!isSame(joined, this.#identity)) {
      const about = { host: host.name, controller };
      this.#warnOnce(about, 'this server has joined as another host, or elsewhere: restart the agent to go on as that');
      return false;
    }
    this.#identity = joined;
    this.#credentials = credentialsOf(joined);
    this.#failure = undefined;
    this.#wanted = false;
    return true;
  }

  /** What another process has put into the file; undefined also if that cannot be read. */
  #joined(): Identity | undefined {
    try {
      const identity = readIdentity(this.#stateDir);
      return identity?.cert === this.#identity.cert ? undefined : identity;
    } catch (err) {
      this.#warnOnce({ err }, 'what this host joined with cannot be read; it goes on with what it had');
      return undefined;
    }
  }

  #warnOnce(about: object, text: string): void {
    const said = `${text} ${JSON.stringify(about)}`;
    if (said !== this.#said) this.#log.warn(about, text);
    this.#said = said;
  }

  async #renew(client: Pick<Client, 'request'>, signal: AbortSignal): Promise<void> {
    const before = this.#identity;
    const { host } = before;
    const { key, csr } = await makeRequest(host.name);
    const path = `/v1/hosts/${host.id}/certificate`;
    const { certificate, ca } = (await client.request('POST', path, { body: { csr }, signal })) as Renewed;
    // One of before counts no more, and by the token of the other nobody joins a second time.
    const joined = this.#joined();
    if (this.#identity.cert !== before.cert || (joined && isSame(joined, before)))
      throw new Error('this host has joined again meanwhile');
    const renewed = { ...this.#identity, key, cert: certificate, ca, issuedAt: new Date().toISOString() };
    requireUsable(renewed);
    // What it has joined with as another host is the next process's.
    if (!joined) writeIdentity(this.#stateDir, renewed);
    this.#identity = renewed;
    this.#credentials = credentialsOf(renewed);
    this.#log.info({ until: this.status.until }, 'the certificate is renewed');
  }
}

/** The same host, at the same controller: by its name, if it is another object by now. */
const isSame = (one: Identity, other: Identity): boolean =>
  one.controller === other.controller && (one.host.id === other.host.id || one.host.name === other.host.name);

/** When a certificate is to be renewed, milliseconds since 1970. */
function renewalOf({ issuedAt, cert }: Pick<Identity, 'issuedAt' | 'cert'>): number {
  const issued = Date.parse(issuedAt);
  return issued + (new X509Certificate(cert).validToDate.getTime() - issued) / 3;
}

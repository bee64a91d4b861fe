import { X509Certificate } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import type { Logger } from 'pino';
import type { Client } from '../client/client.ts';
import type { Credentials, CurrentCredentials } from '../client/credentials.ts';
import type { Renewed } from '../model/trust.ts';
import { makeRequest } from '../trust/request.ts';
import { credentialsOf, type Identity, identityFile, readIdentity, writeIdentity } from './identity.ts';
import { isShutOut, shutOutMs } from './verdict.ts';

/** Between two tries to have it renewed. */
const againMs = 60_000;
/** It is looked at again at least so often: a machine that slept, or whose clock was set, is not late by all of that. */
const lookMs = 3_600_000;
/** Between two looks at the file that it is in. */
const lookAtFileMs = 5_000;

/** The host's certificate, which is renewed, with a new key, when a third of its time is over. */
export class OwnCertificate implements AsyncDisposable {
  readonly #stateDir: string;
  readonly #log: Pick<Logger, 'info' | 'warn'>;
  readonly #stop = new AbortController();
  #identity: Identity;
  #credentials: Credentials;
  #renewing: Promise<void> | undefined;
  #wanted = false;
  #heed: () => void = () => undefined;
  #wake: () => void = () => undefined;

  constructor(stateDir: string, identity: Identity, log: Pick<Logger, 'info' | 'warn'>) {
    this.#stateDir = stateDir;
    this.#log = log;
    this.#identity = identity;
    this.#credentials = credentialsOf(identity);
  }

  /** The same object until the certificate is another one. */
  readonly credentials: CurrentCredentials = () => this.#credentials;

  /** From when to when it holds, ISO 8601. */
  get validity(): { readonly from: string; readonly to: string } {
    const { validFromDate, validToDate } = new X509Certificate(this.#identity.cert);
    return { from: validFromDate.toISOString(), to: validToDate.toISOString() };
  }

  /** Has it renewed although it is not time. */
  renewNow(): void {
    this.#wanted = true;
    this.#wake();
  }

  /** Renews it whenever it is time, from now on, and takes the one by which the host joins again; `onRenewed` is called after each time. */
  begin(client: Pick<Client, 'request'>, onRenewed: () => void): void {
    this.#heed = () => {
      if (this.#joinedAgain()) onRenewed();
    };
    watchFile(identityFile(this.#stateDir), { interval: lookAtFileMs, persistent: false }, this.#heed);
    this.#renewing = this.#run(client, onRenewed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    unwatchFile(identityFile(this.#stateDir), this.#heed);
    this.#stop.abort();
    this.#wake();
    await this.#renewing;
  }

  async #run(client: Pick<Client, 'request'>, onRenewed: () => void): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let wait = Math.min(renewalOf(this.#identity) - Date.now(), lookMs);
      if (wait <= 0 || this.#wanted)
        try {
          this.#wanted = false;
          await this.#renew(client, signal);
          onRenewed();
          continue;
        } catch (err) {
          if (signal.aborted) return;
          this.#log.warn({ err, until: this.validity.to }, 'the certificate was not renewed; it is tried again');
          wait = (isShutOut(err) ? shutOutMs : againMs) * (0.5 + Math.random());
        }
      await this.#pause(wait);
    }
  }

  /** So long, or until it is to be renewed at once, or not any more. */
  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, ms).unref();
    await promise;
    clearTimeout(timer);
  }

  /** By `heddle agent join` beside this process; as another host only a new process goes on. */
  #joinedAgain(): boolean {
    try {
      const identity = readIdentity(this.#stateDir);
      if (!identity || identity.cert === this.#identity.cert || identity.host.name !== this.#identity.host.name)
        return false;
      this.#identity = identity;
      this.#credentials = credentialsOf(identity);
      return true;
    } catch (err) {
      this.#log.warn({ err }, 'what this host joined with cannot be read; it goes on with what it had');
      return false;
    }
  }

  /** Another certificate than that is in the file: this host has joined again beside this process. */
  #isReplaced({ cert }: Identity): boolean {
    try {
      return (readIdentity(this.#stateDir)?.cert ?? cert) !== cert;
    } catch {
      return false;
    }
  }

  async #renew(client: Pick<Client, 'request'>, signal: AbortSignal): Promise<void> {
    const before = this.#identity;
    const { host } = before;
    const { key, csr } = await makeRequest(host.name);
    const path = `/v1/hosts/${host.id}/certificate`;
    const { certificate, ca } = (await client.request('POST', path, { body: { csr }, signal })) as Renewed;
    // One of before counts no more, and by the token of the other nobody joins a second time.
    if (this.#isReplaced(before)) throw new Error('this host has joined again meanwhile');
    const renewed = { ...before, key, cert: certificate, ca, issuedAt: new Date().toISOString() };
    writeIdentity(this.#stateDir, renewed);
    this.#identity = renewed;
    this.#credentials = credentialsOf(renewed);
    this.#log.info({ until: this.validity.to }, 'the certificate is renewed');
  }
}

/** When a certificate is to be renewed, milliseconds since 1970. */
function renewalOf({ issuedAt, cert }: Pick<Identity, 'issuedAt' | 'cert'>): number {
  const issued = Date.parse(issuedAt);
  return issued + (new X509Certificate(cert).validToDate.getTime() - issued) / 3;
}

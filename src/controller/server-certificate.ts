import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { HeddleError } from '../model/errors.ts';
import type { KeyedCertificate } from '../trust/authority-certificate.ts';
import { AGENT_NAME } from '../trust/identity.ts';
import { issueServer, type ServerName } from '../trust/issue.ts';

/** How often it is looked whether it is time: a machine that slept is not late by its sleep. */
const LOOK_MS = 60_000;
const dnsName = /^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$/;
/** By these it is reached on its own machine. */
const local = ['localhost', '127.0.0.1', '::1'];

interface ServerCertificateOptions {
  /** Who signs now. */
  readonly authority: () => KeyedCertificate;
  /** Names and addresses by which clients reach the controller. */
  readonly names: readonly string[];
  readonly now: () => Date;
  readonly onRenewed: () => void;
  readonly log: { info(fields: object, text: string): void; error(fields: object, text: string): void };
}

/** The controller's own certificate: made at its start, and anew when half of its time is over. It is nowhere but in memory. */
export class ServerCertificate implements Disposable {
  readonly #options: ServerCertificateOptions;
  readonly #names: readonly ServerName[];
  readonly #timer: NodeJS.Timeout;
  #current: KeyedCertificate | undefined;
  #validFrom = 0;
  #renewAt = 0;
  /** The renewal under way: one at a time, and each of the authority as it is then. */
  #renewing: Promise<void> = Promise.resolve();

  /** @throws USAGE if it is to have the name that all hosts have */
  constructor(options: ServerCertificateOptions) {
    if (options.names.some((name) => name.toLowerCase() === AGENT_NAME))
      throw new HeddleError('USAGE', {
        problem: `${AGENT_NAME} is a name of every host: no controller is called so`,
      });
    this.#options = options;
    this.#names = [...new Set([...local, ...options.names])].flatMap((value): ServerName[] => {
      if (isIP(value) !== 0) return [{ type: 'ip', value }];
      return dnsName.test(value) ? [{ type: 'dns', value }] : [];
    });
    this.#timer = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** With its key, PEM. There is one after the first renewal. */
  get current(): KeyedCertificate {
    return this.#current!;
  }

  /** Renews it if it is time, or if the clock was set back to before it. What fails is logged, and tried again at the next look. */
  async look(): Promise<void> {
    const { now, log } = this.#options;
    if (now().getTime() >= this.#validFrom && now().getTime() < this.#renewAt) return;
    await this.renew().catch((err: unknown) => log.error({ err }, 'the controller’s certificate was not renewed'));
  }

  /** Resolves when no renewal is under way. */
  get settled(): Promise<void> {
    return this.#renewing;
  }
  /** Makes a new one, of the authority that signs now. */
  renew(): Promise<void> {
    const { authority, now, onRenewed, log } = this.#options;
    const renew = async () => {
      this.#current = await issueServer(authority(), this.#names, now());
      const { validFromDate, validToDate } = new X509Certificate(this.#current.certificate);
      this.#validFrom = validFromDate.getTime();
      this.#renewAt = (now().getTime() + validToDate.getTime()) / 2;
      onRenewed();
      log.info({ until: validToDate.toISOString() }, 'the controller has a new certificate');
    };
    const done = this.#renewing.then(renew);
    this.#renewing = done.catch(() => {});
    return done;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

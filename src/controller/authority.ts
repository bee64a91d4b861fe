import { createHash, X509Certificate } from 'node:crypto';
import type { ServerTls, TlsContext } from '../listen/tls-server.ts';
import { HeddleError } from '../model/errors.ts';
import type { HostId } from '../model/ids.ts';
import type { Store } from '../store/contract.ts';
import { authorityId, crossSign, type KeyedCertificate, makeAuthority } from '../trust/authority-certificate.ts';
import { bundleText, notAfterOf, parseBundle, pinOf } from '../trust/bundle.ts';
import { problemAt, type Verified, verifyIdentity } from '../trust/identity.ts';
import { issueHost } from '../trust/issue.ts';
import { opens, type SealingKey, sealed, unsealed } from '../trust/sealed.ts';
import { RENEWABLE_MS } from '../trust/validity.ts';
import { authorityKey, hostTrustKey, objectKey } from './keys.ts';
import { type HostPrincipal, hostProblem } from './principal.ts';
import { must } from './rules.ts';
import { TRIES } from './sequences.ts';
import { ServerCertificate } from './server-certificate.ts';
import type { AuthorityRecord, HostCertificate } from './trust-record.ts';
import type { World } from './world.ts';

export interface AuthorityOptions {
  readonly store: Pick<Store, 'txn'>;
  readonly world: World;
  readonly sealingKey: SealingKey;
  /** The authority of a store that has none yet. Default: a new one. */
  readonly given?: KeyedCertificate | undefined;
  /** The store's authority cannot be opened any more: another one takes its place, and nothing that it signed counts. */
  readonly isLost?: boolean | undefined;
  /** Names and addresses by which clients reach the controller. */
  readonly names: readonly string[];
  readonly now: () => Date;
  /** Ends connections that were let in with a certificate (DER) that does not count any more. */
  readonly cutRefused: (counts: (raw: Uint8Array) => boolean) => void;
  readonly log: Record<'info' | 'warn' | 'error', (fields: object, text: string) => void>;
}

/** Certificates that were looked at and are remembered: more than there are hosts. */
const REMEMBERED = 20_000;

/**
 * The installation's authority: signs certificates of controllers and of hosts, and says whose a certificate is. The store
 * has it, its key sealed; it is made by the first controller that finds none.
 */
export class Authority implements ServerTls, AsyncDisposable {
  readonly #options: AuthorityOptions;
  readonly #listeners = new Set<(context: TlsContext) => void>();
  readonly #server: ServerCertificate;
  /** By SHA-256 of the DER: what was found, until the authorities are others. */
  readonly #verified = new Map<string, Verified>();
  #signer: KeyedCertificate | undefined;
  #authorities: readonly X509Certificate[] = [];
  /** The revision of the record that all this is of. */
  #revision = 0n;

  private constructor(options: AuthorityOptions) {
    const { names, now, log, world } = options;
    this.#options = options;
    this.#server = new ServerCertificate({
      ...{ names, now, log },
      authority: () => this.#signer!,
      onRenewed: () => this.#announce(),
    });
    world.listeners.add(this.#follow);
  }

  /** @throws STORE_BROKEN if the key of the store's authority cannot be opened; USAGE if it can, and is said to be lost */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const { given, log, isLost = false, sealingKey } = options;
    const kept = options.world.trust.authority;
    if (kept && isLost && opens(sealingKey, authorityKey, kept.record.current.key))
      throw new HeddleError('USAGE', {
        problem:
          'the authority of this store is not lost: leave --new-authority out; "heddle ca rotate" makes another one',
      });
    if (!kept || isLost) {
      const made = given ?? (await makeAuthority(options.now()));
      const record: AuthorityRecord = { current: sealedOf(sealingKey, made) };
      const compare = [{ key: authorityKey, modRevision: kept?.revision ?? 0n }];
      const { revision, committed } = await options.store.txn({ compare, ops: [putOf(record)] });
      await options.world.reached(revision);
      if (kept && committed) {
        const about = { pin: pinOf(new X509Certificate(made.certificate)), hosts: options.world.host.size };
        log.warn(
          about,
          'another authority is in the place of the one that was lost: all hosts join, and users log in, again',
        );
      }
    }
    const authority = new Authority(options);
    try {
      authority.#load();
      if (given && !authority.#authorities.some((ca) => pinOf(ca) === pinOf(new X509Certificate(given.certificate))))
        log.warn({}, 'the authority that is given is not taken: the store has another one already');
      await authority.#server.renew();
    } catch (e) {
      await authority[Symbol.asyncDispose]();
      throw e;
    }
    return authority;
  }

  /** What listeners show now. */
  get context(): TlsContext {
    const { certificate, key } = this.#server.current;
    return { key, cert: certificate + (this.#record().older?.cross ?? ''), ca: this.bundle() };
  }
  /** Calls with each new context, until it is disposed of. */
  onRenewed(listener: (context: TlsContext) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The authorities whose certificates count, the one that signs first: what clients are to believe. PEM */
  bundle(): string {
    return bundleText(this.#authorities);
  }
  /** The pin of the one that signs: see pinOf. */
  pin(): string {
    return pinOf(this.#authorities[0]!);
  }
  /** The same, the one that signs first. */
  get authorities(): readonly X509Certificate[] {
    return this.#authorities;
  }
  /** The controller's own certificate, PEM. */
  get server(): string {
    return this.#server.current.certificate;
  }
  /** Renews the controller's certificate if it is time. */
  look(): Promise<void> {
    return this.#server.look();
  }

  /**
   * The host whose certificate a client has shown. Cost: a look-up, and 0.2 ms the first time.
   * @param raw DER
   * @param toRenew one that has expired gets another one for a while, and nothing else
   * @throws CERTIFICATE_INVALID if it is of another authority, does not hold now, or is of no host; HOST_GONE;
   *   CERTIFICATE_REVOKED
   */
  identify(raw: Uint8Array, toRenew = false): Omit<HostPrincipal, 'kind'> {
    const found = this.#verify(raw);
    const problem = problemAt(found, this.#options.now(), toRenew ? RENEWABLE_MS : 0);
    if (problem) throw new HeddleError('CERTIFICATE_INVALID', { problem });
    const { identity } = found;
    if (identity.kind !== 'host') throw new HeddleError('CERTIFICATE_INVALID', { problem: 'of no host' });
    const { world } = this.#options;
    const { host, generation } = identity;
    const outdated = hostProblem(world, identity);
    if (outdated) throw outdated;
    return { host, name: must(world, 'host', '-', host).record.name, generation };
  }

  /**
   * A certificate for a host, of its request, and a note of it in the store.
   * @param csr PEM
   * @param generation of whoever asks: if it is another one by now, somebody else is the host
   * @returns PEM, and behind it what leads to an older authority, while there is one
   * @throws INVALID for a request that is none, NOT_FOUND, CERTIFICATE_REVOKED, BUSY
   */
  async issueHost(csr: string, id: HostId, generation: number): Promise<{ certificate: string; notAfter: string }> {
    const { world, store, now } = this.#options;
    for (let i = 0; i < TRIES; i++) {
      const { record: host } = must(world, 'host', '-', id);
      const { record, revision } = world.trust.host(id);
      if (host.revoked || record.generation !== generation)
        throw new HeddleError('CERTIFICATE_REVOKED', { host: host.name });
      const signer = this.#signer!;
      const cross = this.#record().older?.cross ?? '';
      const certificate = await issueHost(signer, csr, { id, name: host.name, generation }, now());
      const notAfter = notAfterOf(certificate);
      const noted: HostCertificate = { authority: authorityId(signer.certificate), notAfter };
      const { certificate: last } = record;
      const before = last && last.authority !== noted.authority ? { before: last } : {};
      const key = hostTrustKey(id);
      const result = await store.txn({
        // A host that is gone leaves nothing behind.
        compare: [
          { key, modRevision: revision },
          { key: objectKey('host', host), exists: true },
        ],
        ops: [{ put: { key, value: JSON.stringify({ ...record, certificate: noted, ...before }) } }],
      });
      await world.reached(result.revision);
      if (result.committed) return { certificate: certificate + cross, notAfter };
    }
    throw new HeddleError('BUSY', { tries: TRIES });
  }

  /**
   * A host has shown a certificate (DER) that counts. If it is of the authority of its last one, it has got that, and what it had of
   * the one before holds up nobody any more. Cost: a look-up; a write for each host and rotation.
   */
  async noteShown(id: HostId, raw: Uint8Array): Promise<void> {
    const { world, store, log } = this.#options;
    const { record, revision } = world.trust.host(id);
    const { before, ...rest } = record;
    if (!before) return;
    try {
      if (authorityId(this.#verify(raw).issuer.toString()) !== record.certificate?.authority) return;
      const key = hostTrustKey(id);
      // If somebody else writes it, the next request is soon enough.
      const compare = [{ key, modRevision: revision }];
      const noted = await store.txn({ compare, ops: [{ put: { key, value: JSON.stringify(rest) } }] });
      await world.reached(noted.revision);
    } catch (err) {
      log.warn({ err, host: id }, 'that a host shows its new certificate was not noted; it is at its next request');
    }
  }

  /**
   * Makes a new authority, which signs from now on. The one before signs it too, so that who believes that one alone goes on.
   * @throws CA_ROTATING while there is one before already, BUSY
   */
  async rotate(): Promise<void> {
    const { sealingKey, now } = this.#options;
    const { older } = this.#record();
    // What this is decided on, and written in the place of.
    const revision = this.#revision;
    if (older) throw new HeddleError('CA_ROTATING', { older: authorityId(older.certificate) });
    const [before, made] = [this.#signer!, await makeAuthority(now())];
    const cross = await crossSign(made.certificate, before, now());
    await this.#write(revision, {
      current: sealedOf(sealingKey, made),
      older: { certificate: before.certificate, cross },
    });
  }

  /**
   * Ends the authority before the one that signs: what is of it does not count any more. Nothing to do if there is none.
   * @param force although hosts have nothing else
   * @throws CA_IN_USE with the hosts whose certificates are of it, BUSY
   */
  async retire(force: boolean): Promise<void> {
    const { current, older } = this.#record();
    if (!older) return;
    const id = authorityId(older.certificate);
    const hosts = this.hostsOf(id);
    if (hosts.length > 0 && !force) {
      const names = hosts.map(({ name }) => name);
      throw new HeddleError('CA_IN_USE', {
        authority: id,
        hosts: names.slice(0, 20),
        more: Math.max(0, names.length - 20),
      });
    }
    await this.#write(this.#revision, { current });
  }

  /** Hosts that have a certificate of an authority, as far as is known, which holds or can be renewed; by name. */
  hostsOf(authority: string): { id: HostId; name: string; notAfter: string }[] {
    const { world, now } = this.#options;
    return [...world.host.values()]
      .flatMap(({ record: { id, name, revoked } }) => {
        const { certificate, before } = world.trust.host(id).record;
        const found = [certificate, before].find((each) => each?.authority === authority);
        const counts = !revoked && found && Date.parse(found.notAfter) + RENEWABLE_MS > now().getTime();
        return counts ? [{ id, name, notAfter: found.notAfter }] : [];
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.world.listeners.delete(this.#follow);
    this.#server[Symbol.dispose]();
  }

  readonly #counts = (raw: Uint8Array): boolean => {
    try {
      this.identify(raw);
      return true;
    } catch {
      return false;
    }
  };

  #record(): AuthorityRecord {
    return this.#options.world.trust.authority!.record;
  }

  #verify(raw: Uint8Array): Verified {
    const key = createHash('sha256').update(raw).digest('base64url');
    const known = this.#verified.get(key);
    if (known) return known;
    const found = verifyIdentity(raw, this.#authorities);
    if (typeof found === 'string') throw new HeddleError('CERTIFICATE_INVALID', { problem: found });
    if (this.#verified.size >= REMEMBERED) this.#verified.clear();
    this.#verified.set(key, found);
    return found;
  }

  /** Takes what the store has. @throws STORE_BROKEN */
  #load(): void {
    const { world, sealingKey } = this.#options;
    const { record, revision } = world.trust.authority!;
    const { certificate, key } = record.current;
    this.#signer = { certificate, key: unsealed(sealingKey, authorityKey, key) };
    this.#authorities = parseBundle(certificate + (record.older?.certificate ?? ''));
    this.#verified.clear();
    this.#revision = revision;
  }

  /** Another controller may have rotated it, or this one. */
  readonly #follow = (): void => {
    const { world, log, cutRefused } = this.#options;
    if (!world.trust.authority || world.trust.authority.revision === this.#revision) return;
    const before = this.#authorities;
    try {
      this.#load();
    } catch (err) {
      return log.error({ err }, 'the authority has changed and cannot be read');
    }
    const now = new Set(this.#authorities.map(({ fingerprint256 }) => fingerprint256));
    // Streams and watches would go on with what is of one that is retired.
    if (before.some(({ fingerprint256 }) => !now.has(fingerprint256))) cutRefused(this.#counts);
    this.#server.renew().catch((err: unknown) => log.error({ err }, 'the controller’s certificate was not renewed'));
  };

  /** Writes a record in the place of the one of a revision, and waits until this controller shows what is of it. */
  async #write(modRevision: bigint, record: AuthorityRecord): Promise<void> {
    const { store, world } = this.#options;
    const compare = [{ key: authorityKey, modRevision }];
    const { committed, revision } = await store.txn({ compare, ops: [putOf(record)] });
    await world.reached(revision);
    if (!committed) throw new HeddleError('BUSY', { tries: 1 });
    await this.#server.settled;
  }

  #announce(): void {
    const { context } = this;
    for (const listener of this.#listeners) listener(context);
  }
}

const putOf = (record: AuthorityRecord) => ({ put: { key: authorityKey, value: JSON.stringify(record) } });
const sealedOf = (key: SealingKey, { certificate, key: secret }: KeyedCertificate) => ({
  certificate,
  key: sealed(key, authorityKey, secret),
});

/** Certificates for an engine that is reached by TLS, as Docker's documentation has them made: with openssl. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../src/lab/run.ts';

/** Files of one end, in PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** An authority in a folder. */
export class TestAuthority {
  readonly ca: string;
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
    this.ca = join(dir, 'ca.pem');
  }

  static async make(dir: string): Promise<TestAuthority> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const authority = new TestAuthority(dir);
    const self = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await must(['openssl', ...self, '-subj', '/CN=engine', '-keyout', join(dir, 'ca.key'), '-out', authority.ca]);
    return authority;
  }

  /** @param subject "/CN=alice", or "/O=nobody" */
  async issue(name: string, subject: string, extensions: string): Promise<Pair> {
    const at = (suffix: string) => join(this.#dir, `${name}.${suffix}`);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key')];
    await must(['openssl', 'req', '-new', ...key, '-subj', subject, '-out', at('csr')]);
    writeFileSync(at('ext'), extensions);
    const signer = ['-CA', this.ca, '-CAkey', join(this.#dir, 'ca.key'), '-CAcreateserial', '-days', '2'];
    await must(['openssl', 'x509', '-req', '-in', at('csr'), ...signer, '-extfile', at('ext'), '-out', at('pem')]);
    return { cert: at('pem'), key: at('key') };
  }
}

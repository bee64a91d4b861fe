/** Whom of an engine's users which tenants' networks are open to: a file that the host's administrator writes. */
import { readFileSync, statSync } from 'node:fs';
import type { Logger } from 'pino';
import { parseDocument } from 'yaml';
import { Type } from '#typebox';
import { compileCheck } from '../../listen/validate.ts';
import { HeddleError } from '../../model/errors.ts';

/** In place of a tenant: the user is an administrator of the engine, and may do everything. */
export const everything = '*';

const check = compileCheck(
  Type.Object(
    {
      users: Type.Record(Type.String(), Type.Array(Type.String({ minLength: 1, maxLength: 80 }), { maxItems: 256 }), {
        maxProperties: 10_000,
      }),
    },
    { additionalProperties: false },
  ),
);
const sizeMax = 1 << 20;

/** By the user's name: the common name of its certificate, '' who comes by a socket. */
export type Users = ReadonlyMap<string, readonly string[]>;

/** YAML, and so JSON: {users: {alice: [acme], "": ["*"]}}. @throws INVALID */
export function parseUsers(text: string): Users {
  const document = parseDocument(text, { stringKeys: true, prettyErrors: false });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) throw new HeddleError('INVALID', { field: '', problem: fault.message }, fault);
  const value = plainOf(document);
  check(value);
  return new Map(Object.entries((value as { users: Record<string, string[]> }).users));
}

/** Without aliases: a few letters can stand for gigabytes. @throws INVALID */
function plainOf(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new HeddleError('INVALID', { field: '', problem: (cause as Error).message }, cause);
  }
}

/** The users of a file, read again when it has changed. */
export class UsersFile {
  readonly #path: string;
  readonly #log: Logger;
  #users: Users;
  #version: string;

  /** @throws USAGE if it cannot be read, or says nothing that can be understood */
  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    try {
      this.#version = this.#versionNow();
      this.#users = this.#read();
    } catch (cause) {
      throw new HeddleError('USAGE', { problem: `--docker-authz ${path}: ${(cause as Error).message}` }, cause);
    }
  }

  /**
   * As of now. What is broken while it is edited changes nothing, so that nobody is locked out by a slip; the log says so.
   * Cost: one look at the file's times.
   */
  now(): Users {
    try {
      const version = this.#versionNow();
      if (version === this.#version) return this.#users;
      this.#version = version;
      this.#users = this.#read();
      this.#log.info({ file: this.#path, users: this.#users.size }, 'the engine’s users have changed');
    } catch (err) {
      const { message: problem } = err as Error;
      this.#log.error(
        { file: this.#path, problem },
        'the engine’s users cannot be read; those before are still in force',
      );
    }
    return this.#users;
  }

  #versionNow(): string {
    const { ino, size, mtimeNs, ctimeNs } = statSync(this.#path, { bigint: true });
    if (size > sizeMax) throw new Error(`it is over ${sizeMax} bytes`);
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  }
  #read(): Users {
    return parseUsers(readFileSync(this.#path, 'utf8'));
  }
}

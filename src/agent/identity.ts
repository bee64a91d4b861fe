import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { type Static, Type } from '#typebox';
import type { TlsContext } from '../listen/tls-server.ts';
import { compileCheck } from '../listen/validate.ts';
import { HeddleError } from '../model/errors.ts';
import { readDurable, writeDurable } from './durable.ts';

const Identity = Type.Object(
  {
    /** Address of the controller that it joined. */
    controller: Type.String(),
    host: Type.Object({ id: Type.String(), name: Type.String() }),
    /** Id of the token that it joined by. */
    token: Type.Optional(Type.String()),
    /** PEM, as are the others. */
    key: Type.String({ minLength: 1 }),
    /** And behind it what leads to an older authority, if there was one. */
    cert: Type.String({ minLength: 1 }),
    ca: Type.String({ minLength: 1 }),
    /** When the certificate came, by this host's clock; ISO 8601. */
    issuedAt: Type.String(),
  },
  {
    description: 'Who this host is to the controller that it joined: what it shows, and whom it takes for a controller',
  },
);
export type Identity = Static<typeof Identity>;
const check = compileCheck(Identity);

/** Where it is. */
const identityFile = (stateDir: string): string => join(stateDir, 'identity.json');

/** What the host joined with; undefined: it has not joined. @throws IDENTITY_BROKEN */
export function readIdentity(stateDir: string): Identity | undefined {
  const text = readDurable(identityFile(stateDir));
  if (text === undefined) return undefined;
  try {
    const identity: unknown = JSON.parse(text);
    check(identity);
    requireUsable(identity as Identity);
    return identity as Identity;
  } catch (cause) {
    throw new HeddleError('IDENTITY_BROKEN', { file: identityFile(stateDir) }, cause);
  }
}

/** @throws whatever OpenSSL says of what is no PEM, or of a key and a certificate of two pairs */
export const requireUsable = (identity: Identity): void => void createSecureContext(credentialsOf(identity));

/** Replaces it whole: key, certificate and authority belong together. */
export const writeIdentity = (stateDir: string, identity: Identity): void =>
  writeDurable(identityFile(stateDir), JSON.stringify(identity), { sync: true });

/** What the host shows and believes, as a client and as a server. */
export const credentialsOf = ({ ca, cert, key }: Identity): TlsContext => ({ ca, cert, key });

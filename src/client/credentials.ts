/** How a client knows the controller by TCP, and is known there. On a unix socket nothing of it is used. */
export interface Credentials {
  /** Certificates (PEM, one or several) of the installation's authority; a controller whose certificate is of no other is one. */
  readonly ca: string;
  /** A user's, or how it is got. */
  readonly token?: string | (() => Promise<string>);
  /** A host's certificate (PEM) and its key. */
  readonly cert?: string;
  readonly key?: string;
}

/** Credentials that may be other ones next time: a host's certificate is renewed. */
export type CurrentCredentials = () => Credentials;

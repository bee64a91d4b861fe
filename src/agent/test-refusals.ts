/** What a controller refuses with that says nothing of what it was told: it does not let this host in, or not there. */
import { HeddleError } from '../model/errors.ts';

export const notNow: readonly HeddleError[] = [
  new HeddleError('UNAUTHENTICATED', {}),
  new HeddleError('CERTIFICATE_INVALID', { problem: 'expired' }),
  new HeddleError('CERTIFICATE_REVOKED', { host: 'h1' }),
  new HeddleError('HOST_GONE', { host: 'h1' }),
  new HeddleError('FORBIDDEN', { who: 'host h1', verb: 'write', what: 'ports' }),
  new HeddleError('NOT_FOUND', { kind: 'tenant', name: 'acme' }),
];

/** What the users of a host are told of a tenant that the controller does not show it. */
import { HeddleError, hasCode } from '../model/errors.ts';
import type { ThisHost } from './this-host.ts';

/** To a host a tenant that it was not given is as one that is not there; who may change that is told here. */
export const tellNotGiven =
  (thisHost: Pick<ThisHost, 'name'>) =>
  <E>(e: E): E | HeddleError =>
    hasCode(e, 'NOT_FOUND') && e.details.kind === 'tenant'
      ? new HeddleError('TENANT_NOT_GIVEN', { tenant: e.details.name, host: thisHost.name }, e)
      : e;

import type { FastifyInstance } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { type RetireInput, RetireInput as retireSchema, type TrustStatus } from '../model/trust.ts';
import { authorityId } from '../trust/authority-certificate.ts';
import { notAfterOf, pinOf } from '../trust/bundle.ts';
import type { Authority } from './authority.ts';
import type { TrustContext } from './join-routes.ts';
import { trustPaths } from './paths.ts';
import { parseNothing, type RawQuery } from './query.ts';

/** The authority: what to believe, how it stands, and how another takes its place. */
export function registerAuthority(app: FastifyInstance, { authority }: Pick<TrustContext, 'authority'>): void {
  const checkRetire = compileCheck(retireSchema);

  app.get(trustPaths.authority, async (request) => {
    parseNothing(request.query as RawQuery);
    return { ca: (await authority()).bundle() };
  });
  app.get(trustPaths.status, async (request) => {
    parseNothing(request.query as RawQuery);
    return statusOf(await authority());
  });
  app.post(trustPaths.rotate, async (request) => {
    parseNothing(request.query as RawQuery);
    const rotated = await authority();
    await rotated.rotate();
    return statusOf(rotated);
  });
  app.post(trustPaths.retire, async (request) => {
    parseNothing(request.query as RawQuery);
    checkRetire(request.body);
    const retired = await authority();
    await retired.retire((request.body as RetireInput).force ?? false);
    return statusOf(retired);
  });
}

function statusOf(authority: Authority): TrustStatus {
  return {
    authorities: authority.authorities.map((certificate, i) => {
      const id = authorityId(certificate.toString());
      return {
        id,
        name: certificate.subject.replace(/^CN=/, ''),
        signs: i === 0,
        pin: pinOf(certificate),
        notBefore: certificate.validFromDate.toISOString(),
        notAfter: certificate.validToDate.toISOString(),
        hosts: authority.hostsOf(id).map(({ name, notAfter }) => ({ name, notAfter })),
      };
    }),
    controller: { notAfter: notAfterOf(authority.server) },
  };
}

import type { FastifyInstance } from 'fastify';
import { Type } from '#typebox';
import { compileCheck } from '../listen/validate.ts';
import { ApplyInput, type ApplyResult } from '../model/apply.ts';
import { documentLimits } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';
import { strict } from '../model/fields.ts';
import { Application } from './apply.ts';
import { applyPath, exportPath } from './apply-openapi.ts';
import { parseDocuments } from './document-set.ts';
import { exportDocuments } from './export.ts';
import { HostPlans } from './plan-hosts.ts';
import { parseExport, parseWaitMs, type RawQuery } from './query.ts';
import type { RouteContext } from './routes.ts';
import { must } from './rules.ts';
import { waitForChanges } from './wait.ts';

/** What a document says is looked at one by one, so that each refusal has its number. */
const checkInput = compileCheck(
  Type.Object(
    { ...ApplyInput.properties, documents: Type.Array(Type.Unknown(), { maxItems: documentLimits.documents }) },
    strict,
  ),
);

/** Sets of documents: applied in one request, and given back. */
export function registerApply(app: FastifyInstance, ctx: RouteContext): void {
  const { world, writer, presence } = ctx;
  const isOnline = (host: string): boolean => presence.get(host) !== undefined;

  app.post(applyPath, { bodyLimit: documentLimits.bytes }, async (request, reply): Promise<ApplyResult> => {
    const waitMs = parseWaitMs(request.query as RawQuery);
    checkInput(request.body);
    const { documents, set, prune = false, tenant, take = false, dryRun, plan } = request.body as ApplyInput;
    if (prune && set === undefined)
      throw new HeddleError('INVALID', { field: 'set', problem: 'is required with prune' });
    if (prune && documents.length === 0)
      throw new HeddleError('INVALID', { field: 'documents', problem: 'are none: all of the set would be deleted' });
    const wanted = parseDocuments(documents);
    const application = new Application(wanted, { set: set ?? 'default', prune, tenant, take, isOnline });
    if (plan || dryRun) {
      let plans: HostPlans | undefined;
      await writer.rehearse((sequence) => {
        if (plan) plans = new HostPlans(sequence.world);
        return application.decide(sequence, 0);
      });
      const hosts = plans && { hosts: plans.changed() };
      return { revision: String(world.revision), changes: application.changes, ...hosts };
    }
    const { changes, revision } = await writer.inSequence(application.decide);
    if (waitMs !== undefined) await waitForChanges(ctx, changes, revision, waitMs, reply);
    return { revision: String(revision), changes: application.changes };
  });

  app.get(exportPath, async (request) => {
    const { tenant, bindings } = parseExport(request.query as RawQuery);
    const of = tenant === undefined ? {} : { tenant: must(world, 'tenant', '-', tenant).record.id };
    return { revision: String(world.revision), documents: exportDocuments(world, { ...of, bindings }) };
  });
}

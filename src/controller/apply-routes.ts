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
import { whenGone } from './gone.ts';
import { HostPlans } from './plan-hosts.ts';
import { parseExport, parseWaitMs, type RawQuery } from './query.ts';
import type { RouteContext } from './routes.ts';
import { must } from './rules.ts';
import { waitForHosts } from './wait.ts';

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
    const gone = whenGone(reply);
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
      const { result, revision } = await writer.sequences.rehearse(gone, async (sequence, ends) => {
        const plans = plan ? new HostPlans(sequence.world) : undefined;
        const changes = await application.decide(sequence, ends);
        return { changes, ...(plans && { hosts: plans.changed() }) };
      });
      return { revision: String(revision), ...result };
    }
    const written = await writer.sequences.write(gone, application.decide);
    await waitForHosts(ctx, written, waitMs, reply);
    return { revision: String(written.revision), changes: written.result };
  });

  app.get(exportPath, async (request) => {
    const { tenant, bindings } = parseExport(request.query as RawQuery);
    const of = tenant === undefined ? {} : { tenant: must(world, 'tenant', '-', tenant).record.id };
    return { revision: String(world.revision), documents: exportDocuments(world, { ...of, bindings }) };
  });
}

import type { FastifyInstance } from 'fastify';
import { Type } from '#typebox';
import { compileCheck } from '../listen/validate.ts';
import { ApplyInput, type ApplyResult } from '../model/apply.ts';
import { documentLimits } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';
import { strict } from '../model/fields.ts';
import { kinds } from '../model/kinds.ts';
import { type Access, forbidden, readsIn, seenTenant, type Verb } from './access.ts';
import { Application } from './apply.ts';
import { parseDocuments, type Wanted } from './document-set.ts';
import { exportDocuments } from './export.ts';
import { whenGone } from './gone.ts';
import { applyPath, exportPath } from './paths.ts';
import { HostPlans } from './plan-hosts.ts';
import { waitsAs } from './principal.ts';
import { parseExport, parseWaitMs, type RawQuery } from './query.ts';
import { type Stored, scopeOf } from './records.ts';
import type { RouteContext } from './routes.ts';
import type { Sequence } from './sequence.ts';
import { waitForHosts } from './wait.ts';
import type { World } from './world.ts';

/** What a document says is looked at one by one, so that each refusal has its number. */
const checkInput = compileCheck(
  Type.Object(
    {
      ...ApplyInput.properties,
      documents: Type.Array(Type.Unknown(), { minItems: 1, maxItems: documentLimits.documents }),
    },
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
    const wanted = parseDocuments(documents);
    const verb = plan || dryRun ? 'read' : 'write';
    const admitted = (now: World, access: Access) => {
      refuseDocuments(now, access, verb, wanted);
      const of = tenant === undefined || access.readsAll ? tenant : seenTenant(now, access, tenant);
      const mayRemove = ({ kind, record }: Stored) => access.may(verb, kind, kind === 'tenant' ? '-' : scopeOf(record));
      const how = { set: set ?? 'default', prune, tenant: of, take, isOnline, access, mayRemove };
      return { access, application: new Application(wanted, { ...how, sees: readsIn(access) }) };
    };
    // Who may nothing of it takes nobody's place.
    let admission = admitted(world, request.access);
    const decide = async (sequence: Sequence, ends: AbortSignal) => {
      // Rights may have ended while it waited. What is written in part is brought to its end.
      if (ends === gone) admission = admitted(sequence.world, request.accessNow());
      const { access, application } = admission;
      const plans = plan ? new HostPlans(sequence.world, access) : undefined;
      const changes = await application.decide(sequence, ends);
      return { changes, ...(plans && { hosts: plans.changed() }) };
    };
    const who = waitsAs(request.principal);
    if (plan || dryRun) {
      const { result, revision } = await writer.sequences.rehearse(gone, decide, who);
      return { revision: String(revision), ...result };
    }
    const written = await writer.sequences.write(gone, decide, who);
    await waitForHosts(ctx, written, waitMs, reply);
    return { revision: String(written.revision), ...written.result };
  });

  app.get(exportPath, async (request) => {
    const { tenant, bindings } = parseExport(request.query as RawQuery);
    const { access } = request;
    const of = tenant === undefined ? {} : { tenant: seenTenant(world, access, tenant) };
    return { revision: String(world.revision), documents: exportDocuments(world, { ...of, bindings, access }) };
  });
}

/**
 * A set is refused as a whole if one of its documents is of what the principal may not write: before anything is decided, so
 * that nothing is told of others. @throws NOT_FOUND, FORBIDDEN
 */
function refuseDocuments(world: World, access: Access, verb: Verb, wanted: readonly Wanted[]): void {
  if (access.mayAll) return;
  for (const { kind, tenant } of wanted.toSorted((a, b) => a.document - b.document)) {
    const scope = tenant === undefined ? '-' : seenTenant(world, access, tenant);
    if (!access.may(verb, kind, scope))
      throw forbidden(access, verb, kinds[kind].plural, world.tenant.get(scope)?.record.name);
  }
}

import type { Check, Observed } from '../listen/observed-routes.ts';
import { SharedAnswer } from '../listen/shared-answer.ts';
import { Exposition } from '../metrics/exposition.ts';
import type { HostHealth } from '../model/host-state.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import type { AgentStatus, StatusParts } from './status.ts';

/** What an agent tells of itself to those who watch over it, and to the controller when that asks. */
export function observeAgent(
  metrics: AgentMetrics,
  parts: StatusParts,
  status: () => AgentStatus,
): Observed & { health(): HostHealth } {
  const text = new SharedAnswer(() => Exposition.of((into) => metrics.expose(into, parts, status())));
  return {
    metrics: () => text.get(),
    readiness: () => readinessOf(parts),
    health: () => ({ nowMs: Date.now(), maps: parts.maps.fill(), troubles: status().troubles }),
  };
}

/** It can wire ports: it knows which host it is, from the controller or from its cache. */
function readinessOf({ reconciler, stream }: StatusParts): Check[] {
  const knows = reconciler.host !== undefined;
  const detail = knows ? `at revision ${reconciler.revision}` : 'no controller has told it anything yet';
  // Without a controller it goes on with what it knows.
  const way = stream.connected ? 'connected' : 'not connected; going on with what is known';
  return [
    { name: 'state', ok: knows, detail },
    { name: 'controller', ok: true, detail: way },
  ];
}

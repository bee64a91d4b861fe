/** What `heddle status` has been told, and what of it is not well. */
import type { AgentStatus } from '../agent/status.ts';
import type { Condition, Trouble } from '../model/condition.ts';
import type { HeddleError } from '../model/errors.ts';

/** Something that was asked, and what came of it. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: HeddleError };

/** What the command has of an agent's status: one of another version may not have all. */
export type OwnStatus = { readonly name: string } & Partial<
  Pick<AgentStatus, 'troubles' | 'startWarnings' | 'leases' | 'pendingUploads'>
>;

/** Both who were asked. */
export interface Asked {
  /** Address of the controller, and what it answered. */
  readonly controller: string;
  readonly condition: Answer<Condition>;
  /** Path of this host's agent; its answer is undefined if none is expected here. */
  readonly socket: string;
  readonly agent: Answer<OwnStatus> | undefined;
}

/** Something that is not well, for people. */
export type Wrong = Pick<Trouble, 'severity' | 'text' | 'next'>;

/** What this host's agent knows to be wrong, and the controller's answer does not say: it may be away. */
export function ownTroubles({
  condition,
  agent,
}: Pick<Asked, 'condition' | 'agent'>): NonNullable<OwnStatus['troubles']> {
  if (!agent?.ok) return [];
  const { name, troubles = [] } = agent.value;
  const said = new Set(
    condition.ok ? condition.value.problems.flatMap((p) => (p.kind === 'host' && p.name === name ? p.text : [])) : [],
  );
  return troubles.filter(({ what, text }) => !said.has(`${what}: ${text}`));
}

/** Errors before warnings, as the controller has them; of both what it does not say itself. */
export function problemsOf(asked: Asked): Wrong[] {
  const { condition, agent } = asked;
  const here = agent?.ok ? agent.value : undefined;
  const told = condition.ok ? condition.value.problems : [];
  const own = ownTroubles(asked).map(({ what, text }) => ({
    severity: 'error' as const,
    text: `host ${here?.name}: ${what}: ${text}`,
    next: 'the agent’s log says more',
  }));
  const atStart = (here?.startWarnings ?? []).map(({ check, text, advice }) => ({
    severity: 'warning' as const,
    text: `host ${here?.name}, when its agent began: ${check}: ${text}`,
    next: `${advice === undefined ? '' : `${advice}; `}"heddle doctor ${check}" says whether it is still so`,
  }));
  return [...own, ...told.map((trouble) => ({ ...trouble, text: `${subjectOf(trouble)}${trouble.text}` })), ...atStart];
}

const subjectOf = ({ kind, tenant, name }: Trouble): string =>
  kind === undefined ? '' : `${kind} ${tenant === undefined ? '' : `${tenant}/`}${name}: `;

/** How well something is; `unknown`: it could not be looked at. */
export type Grade = 'ok' | 'warn' | 'fail' | 'unknown';

/** One thing that a check has found. */
export interface Finding {
  readonly grade: Grade;
  /** One sentence: what is so, or what is wrong. */
  readonly text: string;
  /** One sentence: what to do. Absent where nothing is to be done. */
  readonly advice?: string;
  /** An agent cannot do its work like this at all, and does not start. */
  readonly refuses?: true;
}

/** What came of one check. */
export interface Outcome {
  readonly check: string;
  /** The worst of its findings'. */
  readonly grade: Grade;
  readonly findings: readonly Finding[];
}

const order: readonly Grade[] = ['ok', 'unknown', 'warn', 'fail'];

/** The worst grade of several; of none, ok. */
export const worst = (grades: readonly Grade[]): Grade =>
  order[Math.max(0, ...grades.map((grade) => order.indexOf(grade)))]!;

export const ok = (text: string): Finding => ({ grade: 'ok', text });
export const warn = (text: string, advice: string): Finding => ({ grade: 'warn', text, advice });
export const fail = (text: string, advice: string): Finding => ({ grade: 'fail', text, advice });
/** A failure with which no agent can work. */
export const refuse = (text: string, advice: string): Finding => ({ ...fail(text, advice), refuses: true });
export const unknown = (text: string, advice?: string): Finding => ({
  grade: 'unknown',
  text,
  ...(advice !== undefined && { advice }),
});

/** `heddle/client`: the published entry point. docs/guides/client.md shows its use; those examples run in tests. */
export type { ApplyInput, ApplyResult, HostPlan } from '../model/apply.ts';
export type { FieldChange, ObjectChange } from '../model/change.ts';
export type { Condition, Trouble } from '../model/condition.ts';
export type { Document } from '../model/document.ts';
export type { DocumentProblem } from '../model/document-problem.ts';
export { type Code, errors, HeddleError, hasCode } from '../model/errors.ts';
export type { Event, EventLine, EventType } from '../model/events.ts';
export type { Difference, HistoryEntry, Moment, ObjectHistory, Rollback } from '../model/history.ts';
export { type Inputs, type Kind, kinds, type Objects } from '../model/kinds.ts';
export type { Page, WatchEvent } from '../model/page.ts';
export type { Quota, QuotaLimits } from '../model/quota.ts';
export { type Client, type ObjectOptions, openClient, type Patch } from './client.ts';
export type { CallOptions } from './connection.ts';
export type { ApplyOptions, Exported, ExportOptions } from './documents.ts';
export type { DiffOptions, HistoryOptions, RollbackOptions } from './history.ts';
export type { EventFilter } from './observe.ts';
export type { QuotaOptions } from './quota.ts';
export type { Address, RequestOptions } from './transport.ts';

/** `heddle/client`: the published entry point. docs/guides/client.md shows its use; those examples run in tests. */
export type { ApplyInput, ApplyResult, HostPlan } from '../model/apply.ts';
export type { FieldChange, ObjectChange } from '../model/change.ts';
export type { Document } from '../model/document.ts';
export type { DocumentProblem } from '../model/document-problem.ts';
export { type Code, errors, HeddleError, hasCode } from '../model/errors.ts';
export { type Inputs, type Kind, kinds, type Objects } from '../model/kinds.ts';
export type { Page, WatchEvent } from '../model/page.ts';
export {
  type ApplyOptions,
  type Client,
  type Exported,
  type ExportOptions,
  type ObjectOptions,
  openClient,
  type Patch,
} from './client.ts';
export type { Address, RequestOptions } from './transport.ts';

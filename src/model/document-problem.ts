/** Why one document of several was refused. */
export interface DocumentProblem {
  /** Its number among the documents, from 1; absent for an object that is to be pruned. */
  readonly document?: number;
  /** Where it was read: "net.yaml:12"; only who read it knows. */
  readonly at?: string;
  /** "subnet acme/v4" */
  readonly object: string;
  readonly code: string;
  readonly problem: string;
  /** The field that it is about, if it is about one: "labels/tier". */
  readonly field?: string;
}

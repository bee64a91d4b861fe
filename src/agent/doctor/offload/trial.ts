/** What the process of the trial tells the one that started it. */
export interface Trial {
  /** Why the kernel does not take the programs, in its own words. */
  readonly refused?: string;
  readonly passes: readonly {
    /** Who cuts segments and makes checksums of what leaves: the device, or the kernel itself. */
    readonly segments: 'device' | 'kernel';
    /** All bytes came, in both directions, and were the right ones. */
    readonly arrived: boolean;
    /** Segments that the receiving kernels threw away for their checksum. */
    readonly badChecksums: number;
  }[];
}

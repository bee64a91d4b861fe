import { configFlags } from '../datapath/layouts.ts';
import { releaseIsAtLeast } from '../kernel/release.ts';
import { HeddleError } from '../model/errors.ts';

/** The `configFlags` of a kernel, by its release ("6.1.0-31-amd64"). @throws KERNEL_UNSUPPORTED before 5.15 */
export function kernelFeatures(release: string): number {
  if (!releaseIsAtLeast(release, 5, 15))
    throw new HeddleError('KERNEL_UNSUPPORTED', {
      feature: `Heddle's datapath (this is Linux ${release})`,
      need: 'Linux 5.15 or newer',
    });
  return releaseIsAtLeast(release, 6, 3) ? configFlags.DECAP_L3 : 0;
}

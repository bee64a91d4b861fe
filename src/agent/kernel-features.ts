import { configFlags } from '../datapath/layouts.ts';
import { HeddleError } from '../model/errors.ts';

/** The `configFlags` of a kernel, by its release ("6.1.0-31-amd64"). @throws KERNEL_UNSUPPORTED before 5.15 */
export function kernelFeatures(release: string): number {
  const [major = 0, minor = 0] = release.split('.').map(Number);
  const atLeast = (a: number, b: number): boolean => major > a || (major === a && minor >= b);
  if (!atLeast(5, 15))
    throw new HeddleError('KERNEL_UNSUPPORTED', {
      feature: `Heddle's datapath (this is Linux ${release})`,
      need: 'Linux 5.15 or newer',
    });
  return atLeast(6, 3) ? configFlags.DECAP_L3 : 0;
}

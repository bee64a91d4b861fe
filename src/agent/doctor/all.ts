import type { Check } from './check.ts';
import { bpffs } from './checks/bpffs.ts';
import { certificate } from './checks/certificate.ts';
import { clock } from './checks/clock.ts';
import { conntrack } from './checks/conntrack.ts';
import { controller } from './checks/controller.ts';
import { disk } from './checks/disk.ts';
import { duplicate } from './checks/duplicate.ts';
import { kernel } from './checks/kernel.ts';
import { names } from './checks/names.ts';
import { neighbours } from './checks/neighbours.ts';
import { nftables } from './checks/nftables.ts';
import { offload } from './checks/offload.ts';
import { path } from './checks/path.ts';
import { port } from './checks/port.ts';
import { privileges } from './checks/privileges.ts';
import { programs } from './checks/programs.ts';
import { routes } from './checks/routes.ts';
import { vtep } from './checks/vtep.ts';

/** Everything that the doctor looks at, in the order in which it is told: first what the rest stands on. */
export const checks: readonly Check[] = [
  kernel,
  privileges,
  bpffs,
  offload,
  vtep,
  duplicate,
  port,
  programs,
  path,
  controller,
  certificate,
  clock,
  routes,
  neighbours,
  nftables,
  conntrack,
  names,
  disk,
];

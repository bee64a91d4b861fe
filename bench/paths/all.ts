/** Every path, in the order of the tables: first those across hosts, then those on one host. */

import { dockerOverlay } from './docker-overlay.ts';
import { docker0Local } from './docker0-local.ts';
import { heddlePath, heddleRouted } from './heddle.ts';
import { bareVeth } from './host.ts';
import { linuxBridgeLocal } from './linux-bridge-local.ts';
import { linuxVxlan } from './linux-vxlan.ts';
import type { Path } from './path.ts';

export const allPaths: readonly Path[] = [
  bareVeth('host'),
  linuxVxlan,
  dockerOverlay,
  heddlePath('heddle'),
  heddleRouted,
  bareVeth('host-local'),
  docker0Local,
  linuxBridgeLocal,
  heddlePath('heddle-local'),
];

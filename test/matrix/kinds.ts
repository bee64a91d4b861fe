/** The kinds of workloads that the matrix knows; another kind is another entry of the list. */
import type { Kind } from './cast.ts';
import { containers } from './containers.ts';
import { guests } from './guests.ts';
import { lanMachines } from './lan-machines.ts';
import { machines } from './machines.ts';
import { namespaces } from './namespaces.ts';

export const kinds: readonly Kind[] = [
  { name: 'namespace', open: namespaces },
  { name: 'container', open: containers },
  { name: 'guest', open: guests },
  { name: 'server', open: machines },
  { name: 'LAN machine', open: lanMachines },
];

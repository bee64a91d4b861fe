/** One case for every reason, at least. */
import type { Case } from './case.ts';
import { fromGateway } from './gateway-cases.ts';
import { toHost } from './host-cases.ts';
import { peers } from './peer-cases.ts';
import { places } from './places-cases.ts';
import { events, fromPort } from './port-cases.ts';
import { routers } from './router-cases.ts';
import { services } from './service-cases.ts';
import { fromUnderlay, toUnderlay } from './underlay-cases.ts';

export const cases: readonly Case[] = [
  ...fromPort,
  ...fromGateway,
  ...fromUnderlay,
  ...toUnderlay,
  ...routers,
  ...peers,
  ...places,
  ...services,
  ...toHost,
  ...events,
];

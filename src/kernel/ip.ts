/** Layer 3 of the kernel in one place: addresses, routes, neighbours. */
export * from './address.ts';
export * from './neighbour.ts';
export * from './route.ts';

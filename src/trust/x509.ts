type X509 = typeof import('@peculiar/x509');
let loaded: Promise<X509> | undefined;

/**
 * The library that writes certificates and requests, loaded when it is first needed: that takes 150 ms, and who only reads
 * certificates never does. Its container of dependencies wants `Reflect.getMetadata` to be there, so that one comes first.
 */
export function x509(): Promise<X509> {
  loaded ??= import('reflect-metadata').then(() => import('@peculiar/x509'));
  return loaded;
}

/** What everything here is signed with. */
export const signing = { name: 'ECDSA', hash: 'SHA-256' } as const;

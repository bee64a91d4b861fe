type X509 = typeof import('#x509');
let loaded: Promise<X509> | undefined;

/**
 * The library that writes certificates and requests (`@peculiar/x509`), loaded when it is first needed: that takes a tenth of what
 * a controller's start does, and who only reads certificates never does.
 */
export function x509(): Promise<X509> {
  loaded ??= import('#x509');
  return loaded;
}

/** What everything here is signed with. */
export const signing = { name: 'ECDSA', hash: 'SHA-256' } as const;

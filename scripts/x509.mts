/**
 * The library that writes certificates, which setup.sh makes one file of (build/x509.mjs, imported as `#x509`): as it comes it is
 * 230 modules. Its container of dependencies wants `Reflect.getMetadata` to be there, so that one comes first.
 */
import 'reflect-metadata';

export * from '@peculiar/x509';

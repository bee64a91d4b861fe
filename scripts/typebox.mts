/**
 * What we use of TypeBox, which setup.sh makes one file of (build/typebox.mjs, imported as `#typebox`): as it comes it is
 * 680 modules, and to load these takes a command longer than all else that it does.
 */
export * from 'typebox';
export { Compile, type Validator } from 'typebox/compile';
export { Check } from 'typebox/value';

/**
 * Lets dependency-cruiser read our sources: it needs TypeScript's JavaScript API, which TypeScript 7 does not have yet.
 * Preload it (`node --import`); it gives dependency-cruiser, and nobody else, TypeScript 6 under the name `typescript`.
 * (Its other parser, swc, does not know `using`.) Delete this folder when dependency-cruiser supports TypeScript 7.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const replacement = {
  typescript: './typescript6.cjs',
  'typescript/package.json': './typescript6.json',
};
registerHooks({
  resolve(specifier, context, next) {
    const path = context.parentURL?.includes('/dependency-cruiser/') ? replacement[specifier] : undefined;
    return path === undefined ? next(specifier, context) : next(fileURLToPath(new URL(path, import.meta.url)), context);
  },
});

/**
 * Options of Fastify: without its own validator and serializer (ajv and fast-json-stringify), to load and begin which takes a
 * starting agent a quarter of a second. Routes have no schemas; what comes in is checked by `compileCheck`.
 */
export const withoutSchemas = {
  schemaController: { compilersFactory: { buildValidator: () => never, buildSerializer: () => never } },
};

function never(): never {
  throw new Error('a route with a schema: check what comes in by compileCheck');
}

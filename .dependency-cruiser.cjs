// The layers of docs/architecture.md, as rules: a layer imports only from those listed for it.
const layers = {
  model: [],
  compile: ['model', 'datapath'],
  datapath: ['model'],
  kernel: ['model'],
  store: ['model'],
  client: ['model', 'trust'],
  metrics: [],
  trust: ['model'],
  listen: ['model', 'metrics'],
  controller: ['model', 'compile', 'store', 'listen', 'metrics', 'trust'],
  gateway: ['model', 'datapath', 'kernel'],
  agent: ['model', 'client', 'compile', 'datapath', 'kernel', 'gateway', 'listen', 'metrics', 'trust'],
  docker: ['model', 'client', 'kernel', 'agent', 'listen'],
  vm: ['model', 'client'],
  lab: ['model', 'client', 'kernel'],
  cli: [
    'model',
    'client',
    'trust',
    'compile',
    'datapath',
    'store',
    'controller',
    'agent',
    'docker',
    'vm',
    'lab',
    'listen',
    'kernel',
  ],
};
/** Test files, and suites that several of them run. */
const tests = '(\\.test|-suite)\\.ts$';
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(layers).map(([layer, allowed]) => ({
      name: `layer-${layer}`,
      severity: 'error',
      from: { path: `^src/${layer}/` },
      to: { path: '^src/', pathNot: `^src/(${[layer, ...allowed].join('|')})/` },
    })),
    {
      name: 'layer-unlisted',
      comment: 'a new folder of src needs its line in the table above',
      severity: 'error',
      from: { path: `^src/(?!(${Object.keys(layers).join('|')})/)` },
      to: {},
    },
    {
      name: 'pure',
      comment: 'model and compile do no I/O',
      severity: 'error',
      from: { path: '^src/(model|compile)/', pathNot: tests },
      to: {
        path: [
          '^(node:)?(child_process|dgram|dns|fs|http|http2|https|net|os|process|sqlite|timers|tls|worker_threads)(/|$)',
          '(^|/)node_modules/(fastify|koffi|netlink|pino|ws)/',
        ],
      },
    },
    {
      name: 'no-tests-in-product',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { path: ['^(test|bench|scripts)/', tests] },
    },
    {
      name: 'no-undeclared-dependency',
      comment: 'it may lie in node_modules here, and not in a fresh clone',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown'] },
    },
    {
      name: 'no-dev-dependency-in-product',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: '/@types/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};

/** The TypeScript 6 compiler API, as bundled by ts-morph: a package of TypeScript 6 itself would fight over `tsc`. */
module.exports = require('@ts-morph/common/dist/typescript.js');

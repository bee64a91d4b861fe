/**
 * Runs `heddle` as another user: `node as-user.ts '{"uid":70001,"gid":70001,"groups":[]}' <word>…`. It gives up root when the
 * program is loaded, so that the user need not be able to read this checkout.
 */
import { reportError } from '../../src/cli/exit.ts';
import { processIo } from '../../src/cli/io.ts';
import { buildProgram } from '../../src/cli/program.ts';

const [user = '', ...words] = process.argv.slice(2);
const { uid, gid, groups } = JSON.parse(user) as { uid: number; gid: number; groups: number[] };
const io = processIo();
const program = buildProgram(io);
process.setgroups!(groups);
process.setgid!(gid);
process.setuid!(uid);
try {
  await program.parseAsync(words, { from: 'user' });
} catch (e) {
  process.exitCode = reportError(io, e, words.includes('--json'));
}

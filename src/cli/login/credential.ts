/** What somebody logs in with. */
import { HeddleError } from '../../model/errors.ts';
import type { LoginSettings } from '../../model/login.ts';
import { type Io, paint } from '../io.ts';
import type { Context } from './contexts.ts';
import { askSecret, isAsked, parseToken, readToken, readTokenFile } from './prompt.ts';

/** By what it was said to log in; nothing: by what there is. */
export interface Means {
  readonly token?: true;
  readonly tokenFile?: string;
  readonly oidc?: true;
}

/** What a context has of its user. */
type Credential = Pick<Context, 'token' | 'oidc'>;

/** @throws USAGE, LOGIN_REFUSED, PROVIDER_UNREACHABLE */
export async function askCredential(io: Io, means: Means, { oidc }: LoginSettings): Promise<Credential> {
  if ([means.token, means.tokenFile, means.oidc].filter((one) => one !== undefined).length > 1)
    throw new HeddleError('USAGE', { problem: '--token, --token-file and --oidc: say one of them' });
  if (means.oidc && !oidc)
    throw new HeddleError('USAGE', { problem: 'this controller has no OpenID provider: log in with --token' });
  const isOidc = oidc && !means.token && means.tokenFile === undefined;
  return isOidc ? { oidc: await byProvider(io, oidc) } : { token: await askToken(io, means.tokenFile) };
}

async function byProvider(io: Io, settings: NonNullable<LoginSettings['oidc']>) {
  const { logInByDevice } = await import('./device-flow.ts');
  return logInByDevice(
    settings,
    ({ uri, completeUri, code, expiresInS }) => {
      io.err(`Log in at ${paint(io, 'bold', uri)} and say the code ${paint(io, 'bold', code)}\n`);
      if (completeUri !== undefined) io.err(`or go to ${completeUri}\n`);
      io.err(`within ${Math.floor(expiresInS / 60)} minutes, on whatever device has a browser.\n`);
    },
    io.signal,
  );
}

/** Of a file, of a person, or of standard input: never a word of the command line, which all see in the list of processes. */
async function askToken(io: Io, file: string | undefined): Promise<string> {
  if (file !== undefined && file !== '-') return readTokenFile('--token-file', file);
  if (file === undefined && isAsked()) return parseToken(await askSecret(io, 'API token: '));
  return readToken(process.stdin);
}

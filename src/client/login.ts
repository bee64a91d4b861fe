import type { LoginSettings, Whoami } from '../model/login.ts';
import type { CallOptions, Connection } from './connection.ts';

/** Who asks. */
export interface LoginClient {
  /** How people log in: anybody may ask. */
  loginSettings(options?: CallOptions): Promise<LoginSettings>;
  /** Who you are to the controller. @throws UNAUTHENTICATED, TOKEN_INVALID */
  whoami(options?: CallOptions): Promise<Whoami>;
}

/** Asked over a connection. */
export const loginClient = ({ request }: Connection): LoginClient => ({
  loginSettings: (options) => request('GET', '/v1/login', options) as Promise<LoginSettings>,
  whoami: (options) => request('GET', '/v1/whoami', options) as Promise<Whoami>,
});

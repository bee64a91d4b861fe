/** How the user behind `sudo`, who cannot open the controller's socket, talks to a lab's controller: by TCP, with a token. */
import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import type { Client } from '../client/client.ts';
import type { TokenCreated } from '../model/token.ts';

/** The authority that the lab's controller shows, PEM. */
export const caFile = (dir: string): string => `${dir}/ca.pem`;
const tokenFile = (dir: string): string => `${dir}/user-token`;

/** Leaves what that user needs in the lab's folder, if there is one. */
export async function giveAccess(client: Client, dir: string, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const { ca } = await client.authority();
  writeFileSync(caFile(dir), ca, { mode: 0o644 });
  const [uid, gid] = [Number(env.SUDO_UID), Number(env.SUDO_GID)];
  if (!(uid > 0) || !(gid > 0)) return;
  const body = { user: 'admin', description: 'who made the lab' };
  const { token } = (await client.request('POST', '/v1/tokens', { body })) as TokenCreated;
  writeFileSync(tokenFile(dir), token, { mode: 0o600 });
  chownSync(tokenFile(dir), uid, gid);
}

/** Environment in which that user's commands find the controller. @throws EACCES, ENOENT for another user */
export const userEnv = (dir: string, address: string) => ({
  HEDDLE_CONTROLLER: address,
  HEDDLE_CA: caFile(dir),
  HEDDLE_TOKEN: readFileSync(tokenFile(dir), 'utf8'),
});

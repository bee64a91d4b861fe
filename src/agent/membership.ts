import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { controllerSocket } from '../client/transport.ts';
import { HeddleError } from '../model/errors.ts';
import { parseName } from '../model/ids.ts';
import { type Identity, readIdentity } from './identity.ts';
import { joinController } from './join.ts';
import { OwnCertificate } from './own-certificate.ts';

/** The controller on this machine. */
const localController = `unix:${controllerSocket}`;

/** Whose host this is to be, and as whom: see AgentOptions. */
export interface MembershipOptions {
  readonly controller?: string;
  readonly joinToken?: () => string;
  readonly name?: string;
  readonly vtep?: string;
  readonly stateDir: string;
  readonly log: Logger;
}

/** Whose host this is, and as whom. */
export interface Membership {
  readonly name: string;
  readonly controller: string;
  /** Undefined: the controller is this machine's, and knows root here without. */
  readonly own: OwnCertificate | undefined;
}

/**
 * As the host has joined; or as it joins now, if there is a token.
 * @throws NOT_JOINED, NAME_INVALID, IDENTITY_BROKEN, USAGE for a controller that is not known by TLS or as this machine's, and as
 *   joinController
 */
export async function openMembership(options: MembershipOptions): Promise<Membership> {
  const { stateDir, log } = options;
  if (options.controller !== undefined) requireSafe(options.controller);
  const identity = readIdentity(stateDir) ?? (await join(options));
  const controller = options.controller ?? identity?.controller ?? localController;
  if (!identity && controller.startsWith('https:')) throw new HeddleError('NOT_JOINED', { controller });
  // Its controller gives it its name.
  const name = identity?.host.name;
  if (name !== undefined && options.name !== undefined && options.name !== name)
    log.warn({ name }, `this host is ${name} to its controller, and not ${options.name}: leave --name out`);
  return {
    name: parseName(name ?? options.name ?? hostname()),
    controller,
    own: identity && new OwnCertificate(stateDir, identity, log),
  };
}

/** Whoever answers by plain TCP would be believed. @throws USAGE */
function requireSafe(controller: string): void {
  if (/^(unix|https):/.test(controller)) return;
  const address = controller.replace(/^(\w+:\/\/)?/, 'https://');
  throw new HeddleError('USAGE', {
    problem: `"${controller}": a controller speaks TLS on TCP: heddle agent join ${address} <token>, and then --controller ${address}, or none`,
  });
}

async function join(options: MembershipOptions): Promise<Identity | undefined> {
  const { controller, joinToken, name, vtep, stateDir } = options;
  if (!joinToken || controller === undefined) return undefined;
  return joinController({ controller, token: joinToken(), name, vtep, stateDir });
}

import { HeddleError } from '../model/errors.ts';
import { is32Bytes } from './secret.ts';

/** The parts of a token by which a host joins, "hdj_<id>_<secret>_<pin>". */
export interface JoinToken {
  /** Names it in lists and logs; no secret. 12 characters of 0-9 and a-f. */
  readonly id: string;
  /** 32 bytes, base64url. */
  readonly secret: string;
  /** The authority's: see pinOf. */
  readonly pin: string;
}

// The parts have fixed lengths, as base64url has '_' too.
const format = /^hdj_([0-9a-f]{12})_([A-Za-z0-9_-]{43})_([A-Za-z0-9_-]{43})$/;
/** Characters of a token. */
export const JOIN_TOKEN_CHARS = 4 + 12 + 1 + 43 + 1 + 43;

export const joinTokenText = ({ id, secret, pin }: JoinToken): string => `hdj_${id}_${secret}_${pin}`;

/** @throws TOKEN_INVALID; nothing of the token is in it */
export function parseJoinToken(text: string): JoinToken {
  const [, id = '', secret = '', pin = ''] = format.exec(text.length <= JOIN_TOKEN_CHARS ? text : '') ?? [];
  if (!is32Bytes(secret) || !is32Bytes(pin))
    throw new HeddleError('TOKEN_INVALID', {
      problem: 'it is not whole: a token to join begins with hdj_ and has 104 characters',
    });
  return { id, secret, pin };
}

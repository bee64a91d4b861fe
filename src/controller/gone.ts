import type { FastifyReply } from 'fastify';

/** What ends work whose client has gone. It is told to nobody, so it has no code. */
export class ClientGone extends Error {
  constructor() {
    super('the client has gone before it had its answer');
  }
}

/**
 * Aborts, with a ClientGone, when the connection ends on which an answer is waited for: nobody will read it. After the answer it
 * means nothing.
 */
export function whenGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const end = () => gone.abort(new ClientGone());
  if (raw.destroyed) end();
  raw.once('close', end);
  return gone.signal;
}

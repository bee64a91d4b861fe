import type { FastifyReply } from 'fastify';

/** Aborts when the connection ends on which an answer is waited for: nobody will read it. After the answer it means nothing. */
export function whenGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  if (raw.destroyed) gone.abort();
  raw.once('close', () => gone.abort());
  return gone.signal;
}

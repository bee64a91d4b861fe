/** What servers with an address have in common: where they listen, and how they end. */
import type { AddressInfo, Server, Socket } from 'node:net';
import { HeddleError } from '../model/errors.ts';

/**
 * "127.0.0.1:7470" or "[::1]:7470".
 * @param example the port that an error's example has
 * @returns the address without brackets
 * @throws USAGE
 */
export function parseTcp(text: string, example = 7470): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (!match || !host || Number(match[3]) > 65_535)
    throw new HeddleError('USAGE', {
      problem: `"${text}" is no address to listen on: write 127.0.0.1:${example} or [::1]:${example}`,
    });
  return { host, port: Number(match[3]) };
}

/** Resolves when the server listens, as `start` has it do. @throws USAGE if it cannot */
export async function listening(server: Server, start: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).once('listening', resolve);
  start();
  await promise.catch((cause: NodeJS.ErrnoException) => {
    throw new HeddleError('USAGE', { problem: `cannot listen: ${cause.message}` }, cause);
  });
}

/** What clients of a server by TLS connect to: "https://192.0.2.1:7470". */
export const httpsAddress = ({ family, address, port }: AddressInfo): string =>
  `https://${family === 'IPv6' ? `[${address}]` : address}:${port}`;

/** Ends a server that does not listen yet, and all its connections, those too that have not ended their handshake. */
export function endWhole(server: Server): () => void {
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  return () => {
    server.close();
    for (const socket of connections) socket.destroy();
  };
}

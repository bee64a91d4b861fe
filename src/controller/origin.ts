import { isIP } from 'node:net';
import { HeddleError } from '../model/errors.ts';

/**
 * Until there are credentials, whoever reaches the socket may do everything, and a browser on this machine reaches
 * loopback for any page. So: no request that names an origin (browsers add it to every cross-site write and to every
 * WebSocket), and only Host headers that are an address or "localhost" – a page whose DNS name was rebound to 127.0.0.1
 * sends its name.
 * @throws BAD_REQUEST
 */
export function refuseForeignHost(host: string | undefined, origin: string | undefined): void {
  if (origin !== undefined)
    throw new HeddleError('BAD_REQUEST', { problem: 'requests of web pages (with an Origin header) are refused' });
  const name = (host ?? 'localhost').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (name !== 'localhost' && isIP(name) === 0)
    throw new HeddleError('BAD_REQUEST', { problem: 'the Host header must be an address or localhost' });
}

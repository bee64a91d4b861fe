import { isIP } from 'node:net';
import { HeddleError } from '../model/errors.ts';

/**
 * A browser on this machine reaches unix sockets never, but loopback for any page. So: no request that names an origin (browsers
 * add it to every cross-site write and to every WebSocket); and without TLS, whose certificate is of no page's name, only Host
 * headers that are an address or "localhost" – a page whose DNS name was rebound to 127.0.0.1 sends its name.
 * @throws BAD_REQUEST
 */
export function refuseForeignHost(host: string | undefined, origin: string | undefined, byTls: boolean): void {
  if (origin !== undefined)
    throw new HeddleError('BAD_REQUEST', { problem: 'requests of web pages (with an Origin header) are refused' });
  const name = (host ?? 'localhost').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (!byTls && name !== 'localhost' && isIP(name) === 0)
    throw new HeddleError('BAD_REQUEST', { problem: 'the Host header must be an address or localhost' });
}

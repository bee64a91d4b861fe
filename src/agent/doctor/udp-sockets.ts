import { existsSync, readFileSync } from 'node:fs';

/** Inodes of the sockets in a table of /proc/net/udp that are bound to a port. */
export function parseUdpTable(table: string, port: number): number[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , , , , , , , inode = ''] = line.trim().split(/\s+/);
      return local.endsWith(`:${port.toString(16).toUpperCase().padStart(4, '0')}`) ? [Number(inode)] : [];
    });
}

/** The same of the own network namespace, both families. */
export const boundTo = (port: number): number[] =>
  ['udp', 'udp6']
    .map((name) => `/proc/thread-self/net/${name}`)
    .flatMap((file) => (existsSync(file) ? parseUdpTable(readFileSync(file, 'utf8'), port) : []));

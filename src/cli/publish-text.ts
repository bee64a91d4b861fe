/** Published ports as people write them, the way container engines do: "8080:80", "127.0.0.1:5353:53/udp". */
import { HeddleError } from '../model/errors.ts';
import type { Publish } from '../model/kinds.ts';

/** How one is written, for help. */
export const publishForm = '[address:]host-port:port[/udp]';
const pattern = /^(?:(?:\[([0-9A-Fa-f:]+)\]|([0-9.]+)):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/;

/** @throws USAGE */
export function parsePublish(text: string): Publish {
  const match = pattern.exec(text);
  if (!match) throw new HeddleError('USAGE', { problem: `--publish ${text}: write it as ${publishForm}, 8080:80` });
  const [, v6, v4, hostPort, port, protocol = 'tcp'] = match;
  const hostAddress = v6 ?? v4;
  return {
    protocol: protocol as Publish['protocol'],
    port: Number(port),
    hostPort: Number(hostPort),
    ...(hostAddress === undefined ? {} : { hostAddress }),
  };
}

/** The same back. */
export function publishText({ protocol, port, hostPort, hostAddress }: Publish): string {
  const at = hostAddress?.includes(':') ? `[${hostAddress}]:` : hostAddress ? `${hostAddress}:` : '';
  return `${at}${hostPort}:${port}/${protocol}`;
}

import { HeddleError } from '../../model/errors.ts';
import { isUuid } from '../../model/ids.ts';

/** Where controllers listen if nobody says. */
const PORT = 7470;

/** A controller's address as it was typed: "ctl.example.org", "192.0.2.1:7470", "https://[2001:db8::1]:7470". @throws USAGE */
export function parseAddress(text: string): string {
  if (/^(hd[tj]_|eyJ)/.test(text))
    throw new HeddleError('USAGE', {
      problem: 'a token is no word of the command line, where the list of processes shows it: --token reads it',
    });
  const whole = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.parse(whole);
  const isPlain = url && url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password;
  if (!isPlain || url.protocol !== 'https:')
    throw new HeddleError('USAGE', {
      problem: `"${text.slice(0, 200)}" is no address of a controller: write it as https://192.0.2.1:${PORT}`,
    });
  // URL leaves out the port that a scheme has by default.
  const port = url.port || (/:443\/?$/.test(whole) ? '443' : String(PORT));
  return `https://${url.hostname}:${port}`;
}

/** What a context for an address is called if nobody says. */
export function nameFor(address: string): string {
  const host = new URL(address).hostname.replace(/^\[|\]$/g, '').replaceAll(':', '-');
  const name = host.replace(/^[^A-Za-z0-9]+/, '').slice(0, 63);
  return name === '' || isUuid(name) ? 'default' : name;
}

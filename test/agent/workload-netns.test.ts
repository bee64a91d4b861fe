/** How a workload's end is set up, whatever its namespace was before. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { configureWorkload } from '../../src/agent/workload-netns.ts';
import { linkByName } from '../../src/kernel/link.ts';
import { sysctlRead, sysctlWrite } from '../../src/kernel/sysctl.ts';
import type { NetworkItem, PortItem } from '../../src/model/host-state.ts';
import { scratchNetns } from '../kernel/fixture.ts';

/** Sets the one end of a pair up in a namespace where IPv6 is off, as in containers; the addresses that it has then. */
function configured(...addresses: string[]): { addresses: string; off: string; loopbackOff: string } {
  using workload = scratchNetns();
  const ip = (...argv: string[]) =>
    execFileSync('nsenter', [`--net=${workload.path}`, 'ip', ...argv], { encoding: 'utf8' });
  sysctlWrite(workload.ns, ['ipv6', 'conf', 'all', 'disable_ipv6'], 1);
  ip('link', 'add', 'w0', 'type', 'veth', 'peer', 'name', 'other');
  ip('link', 'set', 'other', 'up');
  const network = { subnets: [{ cidr: '10.0.0.0/24' }, { cidr: 'fd00::/64' }] } as unknown as NetworkItem;
  const { ifindex } = linkByName(workload.nl, 'w0')!;
  configureWorkload(workload.ns, {
    ifname: 'w0',
    ifindex,
    port: { addresses } as unknown as PortItem,
    network,
    routes: [],
  });
  return {
    addresses: ip('-o', 'address', 'show', 'w0'),
    off: sysctlRead(workload.ns, ['ipv6', 'conf', 'w0', 'disable_ipv6']),
    loopbackOff: sysctlRead(workload.ns, ['ipv6', 'conf', 'lo', 'disable_ipv6']),
  };
}

test('a port with IPv6 has it where IPv6 is off, and one without does not', () => {
  const both = configured('10.0.0.2', 'fd00::2');
  assert.match(both.addresses, /inet 10\.0\.0\.2\/24/);
  assert.match(both.addresses, /inet6 fd00::2\/64/);
  assert.equal(both.off, '0');
  assert.equal(both.loopbackOff, '1', 'what else is there is left as it is: it may be the machine’s own');
  const one = configured('10.0.0.2');
  assert.doesNotMatch(one.addresses, /inet6/);
  assert.equal(one.off, '1');
});

/** Any edit of an installation, for property tests. */
import fc from 'fast-check';
import type { Edit } from './test-edits.ts';
import { hosts } from './test-hosts.ts';

const host = fc.constantFrom(...hosts);
const network = fc.constantFrom('web', 'db', 'ops');
const router = fc.constantFrom('r1', 'r2', 'r3');
const port = fc.constantFrom('p1', 'p2', 'p3', 'p4', 'p5');
const subnets = fc.uniqueArray(fc.constantFrom('v4', 'v6', 'db4', 'ops4', 's-web-1', 's-db-2', 's-ops-3'), {
  maxLength: 4,
});
/** Any one; those more often without which others come to nothing. */
export const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ make: fc.constant('port'), port, network, host: fc.option(host) }) },
  { weight: 3, arbitrary: fc.record({ make: fc.constant('bind'), port, host: fc.option(host) }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('unport'), port }) },
  { weight: 3, arbitrary: fc.record({ make: fc.constant('stand by'), port, host: fc.option(host) }) },
  { weight: 3, arbitrary: fc.record({ make: fc.constant('switch'), port }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('loose'), port }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('segment'), port, network, host, n: fc.nat(2) }) },
  {
    weight: 5,
    arbitrary: fc.record({ make: fc.constant('behind'), port, parent: port, network, n: fc.nat(5) }),
  },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('share'), network, n: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ make: fc.constant('hold'), port, n: fc.nat(5) }) },
  fc.record({ make: fc.constant('unshare'), n: fc.nat(5) }),
  { weight: 3, arbitrary: fc.record({ make: fc.constant('lease'), network, host, n: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('keep'), network, host, n: fc.nat(3) }) },
  fc.record({ make: fc.constant('unlease'), network, host }),
  { weight: 2, arbitrary: fc.record({ make: fc.constant('leased port'), port, network, host }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('readdress'), port, n: fc.nat(3) }) },
  fc.record({ make: fc.constant('rename'), n: fc.nat(2) }),
  fc.record({ make: fc.constant('publish'), port, n: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ make: fc.constant('nat'), network, n: fc.nat(2) }),
  fc.record({ make: fc.constant('unnetwork'), network }),
  fc.record({ make: fc.constant('gone'), host }),
  { weight: 2, arbitrary: fc.record({ make: fc.constant('revoke'), host }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('rejoin'), host }) },
  fc.record({ make: fc.constant('mtu'), network, mtu: fc.integer({ min: 1280, max: 9000 }) }),
  fc.record({ make: fc.constant('subnet'), network, n: fc.nat(5) }),
  fc.record({ make: fc.constant('unsubnet'), network, n: fc.nat(5) }),
  fc.record({ make: fc.constant('told'), host, n: fc.nat(3) }),
  fc.record({ make: fc.constant('vtep'), host, n: fc.integer({ min: 1, max: 250 }) }),
  { weight: 3, arbitrary: fc.record({ make: fc.constant('router'), router, subnets, n: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('join'), router, subnets, n: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ make: fc.constant('peer'), router, n: fc.nat(3) }) },
  fc.record({ make: fc.constant('unrouter'), router }),
  fc.record({ make: fc.constant('slow'), host }),
  fc.record({ make: fc.constant('drain'), host }),
);

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  arp,
  encapsulated,
  eth,
  ip4,
  ip6,
  join,
  mac,
  read16,
  solicit,
  solicitedMac,
  sourceMacOption,
  tcp,
} from './frames.ts';
import { type Datapath, openDatapath, type ProgramName } from './harness.ts';
import { expectModel } from './observe.ts';
import { A, macs } from './world.ts';

let d: Datapath;
before(() => {
  d = openDatapath();
});
after(() => d[Symbol.dispose]());
const one = mac(macs.one);
const three = mac(macs.three);
const extensions = join([60, 0, 0, 0, 0, 0, 0, 0], [6, 1], new Uint8Array(14));
const kinds: readonly (readonly [string, ProgramName, Uint8Array])[] = [
  [
    'IPv4',
    'from_port',
    eth(
      three,
      one,
      0x800,
      ip4({ src: '10.0.0.1', dst: '10.0.0.3', proto: 6, options: [1, 1, 1, 1] }, tcp(1, 2, [1, 2])),
    ),
  ],
  [
    'IPv6',
    'from_port',
    eth(three, one, 0x86dd, ip6({ src: 'fd00::1', dst: 'fd00::3', next: 0 }, join(extensions, tcp(1, 2)))),
  ],
  [
    'ARP',
    'from_port',
    eth(mac('ff:ff:ff:ff:ff:ff'), one, 0x806, arp({ senderMac: one, senderIp: '10.0.0.1', targetIp: '10.0.0.3' })),
  ],
  [
    'neighbour discovery',
    'from_port',
    eth(
      solicitedMac('fd00::3'),
      one,
      0x86dd,
      solicit({ src: 'fd00::1', target: 'fd00::3', options: sourceMacOption(one) }),
    ),
  ],
  [
    'VXLAN with IPv4',
    'from_underlay',
    encapsulated(
      { src: '192.0.2.2', dst: '192.0.2.1', vni: A },
      eth(one, three, 0x800, ip4({ src: '10.0.0.3', dst: '10.0.0.1' }, tcp(1, 2))),
    ),
  ],
  [
    'VXLAN with IPv6',
    'from_underlay',
    encapsulated(
      { src: '192.0.2.2', dst: '192.0.2.1', vni: A },
      eth(one, three, 0x86dd, ip6({ src: 'fd00::3', dst: 'fd00::1', next: 6 }, tcp(1, 2))),
    ),
  ],
  [
    'VXLAN on its way out',
    'to_underlay',
    encapsulated({ src: '192.0.2.1', dst: '192.0.2.2', vni: A }, eth(one, three, 0x800, new Uint8Array(40))),
  ],
];
/** The shortest frame that every kernel takes for a test run: newer ones refuse one that ends inside its IP header. */
const shortest = (frame: Uint8Array): number => ({ 2048: 34, 34525: 54 })[read16(frame, 12)] ?? 14;

for (const [name, program, frame] of kinds)
  test(`${name}, cut at every length, is refused for the right reason and never delivered`, () => {
    const ctx = program === 'from_port' ? { ifindex: d.world.ports[0]!.ifindex } : {};
    d.inside(() => {
      const whole = expectModel(d, program, frame, ctx);
      assert.equal(whole.verdict, program === 'to_underlay' ? 'drop' : 'redirect');
      for (let n = shortest(frame); n < frame.length; n++) {
        const cut = expectModel(d, program, frame.slice(0, n), ctx);
        assert.ok(cut.verdict !== 'redirect', `${n} bytes were delivered`);
      }
    });
  });

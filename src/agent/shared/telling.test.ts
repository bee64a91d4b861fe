/** Who is told, and when, with a clock and a mouth of its own. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { type Mac, macText, parseIp, parseMac } from '../../model/address.ts';
import type { AddressItem } from '../../model/host-state.ts';
import type { AddressId, NetworkId } from '../../model/ids.ts';
import { everybody, Telling } from './telling.ts';

const macs = [1, 2].map((n) => parseMac(`02:00:00:00:00:0${n}`)) as [Mac, Mac];
const address = (network: string, name: string): AddressItem => ({
  ...{ kind: 'address', id: name as AddressId, name, network: network as NetworkId, ports: ['lb1', 'lb2'] },
  address: parseIp('10.0.0.9'),
});

/** Networks of so many listeners; `said`: of which one, with which MAC. */
function rig(t: TestContext, listeners: Readonly<Record<string, number>>, broken?: number) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let said: string[] = [];
  const telling = new Telling({
    listeners: ({ network, name }) =>
      Array.from({ length: listeners[network]! }, (_, i) => ({ ifindex: i, vlan: 0, ...everybody, name }) as never),
    send: ({ ifindex, name }: { ifindex: number; name?: string }, frame) => {
      if (ifindex === broken) throw new Error('it is gone');
      said.push(`${name} ${macText(frame.subarray(6, 12))}`);
    },
    log: pino({ level: 'silent' }),
  });
  const turn = (): string[] => {
    said = [];
    t.mock.timers.tick(20);
    return said;
  };
  return { telling, turn, [Symbol.dispose]: () => telling[Symbol.dispose]() };
}

test('however many are to be told, a turn tells some; of each network as many', (t) => {
  using r = rig(t, { big: 1000, small: 5 });
  for (let n = 0; n < 8; n++) r.telling.tell(address('big', `b${n}`), macs[0]);
  r.telling.tell(address('small', 's'), macs[0]);
  const first = r.turn();
  assert.ok(first.length <= 64, `${first.length} in one turn`);
  assert.equal(first.filter((s) => s.startsWith('s ')).length, 5, 'one that says much keeps no other waiting');
  let [total, turns] = [first.length, 1];
  for (let said = r.turn(); said.length > 0; said = r.turn(), turns++) {
    assert.ok(said.length <= 64);
    total += said.length;
  }
  assert.equal(total, 8005);
  assert.ok(turns >= 8005 / 64);
});

test('what is newer takes the place of what was not said yet; one that cannot be told keeps no other from it', (t) => {
  using r = rig(t, { n: 100 }, 3);
  r.telling.tell(address('n', 'vip'), macs[0]);
  assert.equal(r.turn().length, 63);
  r.telling.tell(address('n', 'vip'), macs[1]);
  const rest = [...r.turn(), ...r.turn(), ...r.turn()];
  assert.equal(rest.length, 99);
  assert.ok(rest.every((s) => s === `vip ${macs[1]}`));
});

test('a network where nobody hears holds nobody up', (t) => {
  using r = rig(t, { empty: 0, n: 2 });
  for (let n = 0; n < 100; n++) r.telling.tell(address('empty', `e${n}`), macs[0]);
  r.telling.tell(address('n', 'vip'), macs[0]);
  assert.equal(r.turn().length, 2);
});

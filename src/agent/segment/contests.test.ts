import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayMac, type Ip, type Mac } from '../../model/address.ts';
import { limits } from '../../model/fields.ts';
import { newId, type PortId } from '../../model/ids.ts';
import { Contests, contestPace, contestsReport, contestsText, type Holder } from './contests.ts';

const [a, b, c] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b', '02:00:00:00:00:0c'] as Mac[] as [Mac, Mac, Mac];
const [ip1, ip2] = ['10.0.0.1', '10.0.0.2'] as Ip[] as [Ip, Ip];
const web1 = { id: newId<PortId>(), name: 'web1', mac: a };

/** The gateway has the first address, a port the second. */
function fresh() {
  const holders = new Map<Ip, Holder>([
    [ip1, 'gateway'],
    [ip2, web1],
  ]);
  return { holders, contests: new Contests((ip) => holders.get(ip)) };
}

test('a machine that has the address of a port, or of the gateway, is told of, and nobody else is', () => {
  const { contests } = fresh();
  contests.heard({ mac: a, ip: ip2 }, 0);
  contests.heard({ mac: gatewayMac, ip: ip1 }, 0);
  contests.heard({ mac: b, ip: '10.0.0.3' as Ip }, 0);
  assert.deepEqual(contests.all, []);
  for (const ip of [ip1, ip2]) contests.heard({ mac: b, ip }, 0);
  assert.deepEqual(contestsReport(contests.all), [{ port: web1.id, address: ip2, mac: b }]);
  assert.equal(
    contestsText(contests.all, 0),
    `machines have addresses of others: ${ip1} of the gateway (${b}), ${ip2} of web1 (${b})`,
  );
});

test('it is asked again, and forgotten when it does not answer, or the port has the address no more', () => {
  const { contests, holders } = fresh();
  for (const ip of [ip1, ip2]) contests.heard({ mac: b, ip }, 0);
  assert.deepEqual(contests.due(contestPace.again), []);
  assert.deepEqual(contests.due(contestPace.again + 1), [ip1, ip2]);
  assert.deepEqual(contests.due(contestPace.again + 2), []);
  holders.delete(ip2);
  assert.deepEqual(contests.all.length, 1);
  contests.heard({ mac: b, ip: ip1 }, contestPace.again + 3);
  contests.due(contestPace.forgotten + contestPace.again);
  assert.deepEqual(contests.all.length, 1);
  contests.due(contestPace.forgotten + contestPace.again + 4);
  assert.deepEqual(contests.all, []);
});

test('who takes an address over is told, when whoever had it has answered to no question', () => {
  const { contests } = fresh();
  contests.heard({ mac: b, ip: ip2 }, 0);
  contests.heard({ mac: c, ip: ip2 }, contestPace.succeeded);
  assert.equal(contests.all[0]!.mac, b, 'it may be there still');
  contests.heard({ mac: c, ip: ip2 }, contestPace.succeeded + 1);
  assert.equal(contests.all[0]!.mac, c);
});

test('there are no more than can be told, whatever machines claim; the others are counted, and asked for as these end', () => {
  const contests = new Contests((ip) => (ip === ip1 ? 'gateway' : web1));
  const claim = (mac: Mac, from: number, now = 0): void => {
    for (let n = from; n < from + limits.contests; n++) contests.heard({ mac, ip: `10.0.1.${n}` as Ip }, now);
  };
  claim(b, 0);
  assert.equal(contests.all.length, limits.contests / 2, 'of one machine');
  assert.equal(contests.more, limits.contests / 2);
  claim(c, 100);
  assert.equal(contestsReport(contests.all).length, limits.contests);
  assert.equal(contests.more, limits.contests);
  assert.match(contestsText(contests.all, contests.more), new RegExp(`and ${2 * limits.contests - 3} more$`));
  contests.heard({ mac: c, ip: ip1 }, 0);
  assert.ok(contests.has(ip1), 'the gateway’s is no part of them');
  assert.equal(contestsReport(contests.all).length, limits.contests);
  const asked = contests.due(contestPace.again + 1);
  assert.equal(asked.length, 1 + 2 * limits.contests);
  assert.equal(contests.more, 0, 'until they answer');
});

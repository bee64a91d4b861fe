/** Whose word counts for a port that was made on this host, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, parseMac } from '../model/address.ts';
import type { PortItem } from '../model/host-state.ts';
import { type HostNumber, type NetworkId, newId, type PortId } from '../model/ids.ts';
import type { LocalPort, PairAttachment } from '../model/local-api.ts';
import { effectivePort, isPending, newLocalPort } from './local-port.ts';

const self = 1 as HostNumber;
const made = newLocalPort(newId<NetworkId>() as NetworkId, [
  { ip: parseIp('10.0.0.2'), mac: parseMac('02:00:00:00:00:02') },
]);
const attachment = (local: Partial<LocalPort>, state: PairAttachment['state'] = 'attached'): PairAttachment => ({
  ...{ port: newId<PortId>() as PortId, tenant: 't', network: 'n', name: 'mine', kind: 'pair', owner: 'o' },
  ...{ owned: true, state, local: { ...made, dnsNames: ['new'], ...local } },
});
const told: PortItem = {
  ...{ kind: 'port', id: newId<PortId>() as PortId, name: 'theirs', dnsNames: ['old'], host: self, publish: [] },
  ...{ network: made.network, mac: made.mac, addresses: made.addresses, revision: '7' },
};
const at = (revision: string, synced = true) => ({ self, revision, synced });

test('a port counts from its record, whatever a state says that is older than its confirmation', () => {
  for (const a of [attachment({}), attachment({ confirmed: '7' })]) {
    assert.equal(effectivePort(a, undefined, at('6'))?.name, 'mine');
    assert.equal(effectivePort(a, undefined, at('0', false))?.name, 'mine');
  }
  assert.equal(effectivePort(attachment({}), undefined, at('99'))?.name, 'mine', 'the answer may have been lost');
});

test('what its guest is told is its record’s, until the controller’s word counts', () => {
  const a = attachment({ userData: 'mine', sshKeys: [] });
  assert.equal(effectivePort(a, undefined, at('6'))?.userData, 'mine');
  assert.ok(!('sshKeys' in effectivePort(a, undefined, at('6'))!));
  const confirmed = attachment({ userData: 'mine', confirmed: '7' });
  assert.equal(effectivePort(confirmed, { ...told, userData: 'newer' }, at('8'))?.userData, 'newer');
});

test('from its confirmation on the controller’s word counts, and a port that it does not name was deleted', () => {
  const a = attachment({ confirmed: '7' });
  assert.equal(effectivePort(a, told, at('7')), told);
  assert.equal(effectivePort(a, undefined, at('7')), undefined);
  assert.equal(effectivePort(a, undefined, at('8', false))?.name, 'mine', 'but not by a cached state');
});

test('what was changed here since counts over the controller’s word', () => {
  const changed = effectivePort(attachment({ confirmed: '7', changed: ['dnsNames'] }), told, at('8'));
  assert.deepEqual(changed, { ...told, dnsNames: ['new'] });
});

test('a refused port is none; one that is being removed is as the controller says', () => {
  const refused = { code: 'ADDRESS_TAKEN', detail: '', details: {} } as const;
  assert.equal(effectivePort(attachment({ refused }), told, at('9')), undefined);
  assert.equal(effectivePort(attachment({}, 'detaching'), told, at('9')), told);
});

test('what the controller has yet to be told of is pending', () => {
  const refused = { code: 'ADDRESS_TAKEN', detail: '', details: {} } as const;
  const pending = [
    attachment({}),
    attachment({}, 'attaching'),
    attachment({ confirmed: '7', changed: ['name'] }),
    attachment({ refused }, 'detaching'),
  ];
  const settled = [attachment({ confirmed: '7' }), attachment({ refused })];
  assert.deepEqual(
    [pending, settled].map((all) => all.map(isPending)),
    [
      [true, true, true, true],
      [false, false],
    ],
  );
});

test('the MAC of a port is the one that an address of it is made of, else that of the first', () => {
  const network = made.network;
  const four = { ip: parseIp('10.0.0.3'), mac: parseMac('02:00:00:00:00:03') };
  const six = { ip: parseIp('fd00::3'), mac: parseMac('02:00:00:00:00:06') };
  const own = { ip: parseIp('fd00:5::5054:ff:fe12:3456'), mac: parseMac('52:54:00:12:34:56') };
  assert.equal(newLocalPort(network, [four, six]).mac, four.mac);
  assert.equal(newLocalPort(network, [four, own]).mac, own.mac);
});

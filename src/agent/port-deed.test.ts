import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkItem, PortItem } from '../model/host-state.ts';
import type { HostNumber } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { type PortDeed, portDeed } from './port-deed.ts';

const self = 1 as HostNumber;
const items: Record<'here' | 'standby' | 'elsewhere' | 'none', PortItem | undefined> = {
  here: { host: 1 } as PortItem,
  standby: { host: 2, standby: 1 } as PortItem,
  elsewhere: { host: 2 } as PortItem,
  none: undefined,
};
const networks: Record<'told' | 'untold', NetworkItem | undefined> = { told: {} as NetworkItem, untold: undefined };
const refused = { local: { refused: { code: 'ADDRESS_TAKEN', detail: 'taken', details: {} } } };
const attachments = {
  attached: { kind: 'netns', state: 'attached' },
  attaching: { kind: 'netns', state: 'attaching' },
  detaching: { kind: 'netns', state: 'detaching' },
  refused: { kind: 'netns', state: 'attached', ...refused },
  'refused, detaching': { kind: 'netns', state: 'detaching', ...refused },
  plugged: { kind: 'pair', state: 'attached', plug: { state: 'made' } },
  unplugged: { kind: 'pair', state: 'attached' },
  none: undefined,
} as unknown as Record<string, Attachment | undefined>;

type Case = [keyof typeof items, keyof typeof networks, string, 'whole' | 'not whole', PortDeed['kind']];

/** Where the port is; its network; what is attached; the state; what is to be done. */
const cases: Case[] = [
  ['here', 'told', 'attached', 'whole', 'ensure'],
  ['here', 'told', 'attached', 'not whole', 'ensure'],
  ['here', 'told', 'attaching', 'whole', 'ensure'],
  ['here', 'told', 'plugged', 'whole', 'ensure'],
  ['standby', 'told', 'attached', 'whole', 'ensure'],
  // One that was made here, before the controller has told its network (again).
  ['here', 'untold', 'attached', 'whole', 'wait'],
  ['here', 'untold', 'attached', 'not whole', 'wait'],
  ['here', 'untold', 'detaching', 'whole', 'leave'],
  // What is not wanted any more goes at once, whatever the controller may have told.
  ['here', 'told', 'detaching', 'not whole', 'leave'],
  ['here', 'told', 'unplugged', 'not whole', 'leave'],
  ['none', 'untold', 'detaching', 'whole', 'leave'],
  ['none', 'untold', 'unplugged', 'not whole', 'leave'],
  // Bound here, and nothing is attached: perhaps of another life of this agent.
  ['here', 'told', 'none', 'whole', 'leave'],
  ['here', 'told', 'none', 'not whole', 'wait'],
  // Another host's now.
  ['elsewhere', 'told', 'attached', 'whole', 'leave'],
  ['elsewhere', 'told', 'attached', 'not whole', 'wait'],
  ['elsewhere', 'told', 'none', 'whole', 'leave'],
  ['elsewhere', 'told', 'none', 'not whole', 'wait'],
  // Deleted, or not told yet.
  ['none', 'untold', 'attached', 'whole', 'forget'],
  ['none', 'untold', 'attached', 'not whole', 'wait'],
  ['none', 'untold', 'unplugged', 'whole', 'forget'],
  ['none', 'untold', 'attaching', 'whole', 'leave'],
  ['none', 'untold', 'none', 'whole', 'leave'],
  ['none', 'untold', 'none', 'not whole', 'wait'],
  // The controller did not take it.
  ['none', 'untold', 'refused', 'whole', 'refuse'],
  ['none', 'untold', 'refused', 'not whole', 'refuse'],
  ['here', 'told', 'refused', 'whole', 'refuse'],
  ['none', 'untold', 'refused, detaching', 'whole', 'leave'],
];

for (const [where, network, what, state, kind] of cases)
  test(`a port ${where}, its network ${network}, attachment ${what}, the state ${state}: ${kind}`, () => {
    const [item, attachment] = [items[where], attachments[what]];
    const deed = portDeed({ item, network: networks[network], attachment, self, synced: state === 'whole' });
    assert.equal(deed.kind, kind);
  });

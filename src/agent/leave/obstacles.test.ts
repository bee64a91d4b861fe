import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attachment } from '../../model/local-api.ts';
import { obstacles, type Situation } from './obstacles.ts';

const attachment = (kind: Attachment['kind'], name: string, more: object = {}): Attachment =>
  ({ kind, name, port: name, tenant: 'acme', network: 'web', state: 'attached', ...more }) as unknown as Attachment;
const web = { tenant: 'acme', name: 'web' };
const free: Situation = { attachments: [], users: [], isOpen: () => false, told: true, controller: 'unix:/c' };

test('what is only wired is not in the way', () => {
  const attachments = (['netns', 'tap', 'host', 'device'] as const).map((kind) => attachment(kind, kind));
  assert.deepEqual(obstacles({ ...free, attachments }), []);
});

test('containers, running machines, Docker’s networks and a silent controller are', () => {
  const attachments = [attachment('pair', 'web1'), attachment('tap', 'vm1'), attachment('tap', 'vm2')];
  const isOpen = ({ name }: Attachment) => name === 'vm1';
  const said = obstacles({ ...free, attachments, isOpen, users: [web, web], told: false });
  assert.deepEqual(said, [
    'web1 (acme/web) is a container’s: stop it',
    'vm1 (acme/web) is a running machine’s: shut it down',
    'Docker has a network on acme/web: docker network rm',
    'the controller at unix:/c does not answer, so what it has of this host would stay there',
  ]);
});

test('what is going already is not', () => {
  assert.deepEqual(obstacles({ ...free, attachments: [attachment('pair', 'web1', { state: 'detaching' })] }), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalClient } from '../client/local.ts';
import { HeddleError } from '../model/errors.ts';
import type { DomainPort } from './domain.ts';
import { awaitGuest, prepareGuest, releaseGuest } from './libvirt-hook.ts';

const port: DomainPort = {
  tap: 'tap1',
  tenant: 'acme',
  network: 'web',
  port: 'vm1',
  address: ['10.0.0.7'],
  mac: '52:54:00:aa:00:01',
  queues: 2,
};
const nobody = { isOpen: () => false };

/** An agent of these answers, one after the other; an error is thrown. It keeps what it was asked. */
function agentOf(...answers: unknown[]): LocalClient & { readonly asked: unknown[] } {
  const asked: unknown[] = [];
  return {
    asked,
    async request(method, path, { body } = {}) {
      asked.push(body === undefined ? `${method} ${path}` : body);
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}
const attached = (mac: string) => ({ port: { name: 'vm1', mac } });
const body = { kind: 'tap', tenant: 'acme', network: 'web', port: 'vm1', ifname: 'tap1', queues: 2 };
const made = { ...body, mac: port.mac, addresses: ['10.0.0.7'] };

test('a port that is made gets the domain’s MAC and addresses', async () => {
  const agent = agentOf(attached(port.mac));
  await prepareGuest({ agent, ...nobody }, [port]);
  assert.deepEqual(agent.asked, [made]);
});

test('a port that exists says itself what it is, and the domain must agree', async () => {
  const exists = () => new HeddleError('INVALID', { field: 'port', problem: 'it exists' });
  const agent = agentOf(exists(), attached(port.mac));
  await prepareGuest({ agent, ...nobody }, [port]);
  assert.deepEqual(agent.asked, [made, body]);
  await assert.rejects(prepareGuest({ agent: agentOf(exists(), attached('02:00:00:00:00:01')), ...nobody }, [port]), {
    code: 'INVALID',
    message: /has MAC 52:54:00:aa:00:01, port vm1 has 02:00:00:00:00:01/,
  });
});

test('an agent that is being restarted is waited for, another refusal is not', async () => {
  const away = new HeddleError('AGENT_UNREACHABLE', { socket: 's', problem: 'p' });
  const agent = agentOf(away, attached(port.mac));
  await prepareGuest({ agent, ...nobody }, [port]);
  assert.equal(agent.asked.length, 2);
  const refusing = agentOf(new HeddleError('NOT_FOUND', { kind: 'network', name: 'web' }));
  await assert.rejects(prepareGuest({ agent: refusing, ...nobody }, [port]), { code: 'NOT_FOUND' });
});

test('an agent that is restarted while a guest ends is asked again, and may have done it already', async () => {
  const away = () => new HeddleError('AGENT_UNREACHABLE', { socket: 's', problem: 'p' });
  const item = { kind: 'tap', state: 'attached', tenant: 'acme', name: 'vm1', ifname: 'tap1', port: 'p1' };
  const done = new HeddleError('NOT_FOUND', { kind: 'attachment of port', name: 'p1' });
  const agent = agentOf(away(), { items: [item] }, away(), done);
  await releaseGuest({ agent, ...nobody }, [port]);
  assert.deepEqual(agent.asked.slice(2), ['DELETE /v1/attachments/p1', 'DELETE /v1/attachments/p1']);
});

test('a guest’s own taps are detached when it is gone, and nothing else', async () => {
  const tap = { kind: 'tap', state: 'attached', tenant: 'acme', name: 'vm1' };
  const items = [
    { ...tap, port: 'p1', ifname: 'tap1' },
    { ...tap, port: 'p2', ifname: 'tap2' },
    { ...tap, port: 'p3', ifname: 'tap3', state: 'detaching' },
    { ...tap, kind: 'host', port: 'p4', ifname: 'tap1' },
    { ...tap, port: 'p5', ifname: 'tap5', name: 'named by its id' },
  ];
  const ports = [port, { ...port, tap: 'tap3' }, { ...port, tap: 'tap5', port: 'p5' }];
  const agent = agentOf({ items }, {}, {});
  await releaseGuest({ agent, ...nobody }, ports);
  assert.deepEqual(agent.asked, ['GET /v1/attachments', 'DELETE /v1/attachments/p1', 'DELETE /v1/attachments/p5']);
});

test('another port that is on a tap of that name stays', async () => {
  const tap = { kind: 'tap', state: 'attached', tenant: 'acme', name: 'vm1', ifname: 'tap1' };
  const items = [
    { ...tap, port: 'p1', name: 'other' },
    { ...tap, port: 'p2', tenant: 'evil' },
  ];
  const agent = agentOf({ items });
  await releaseGuest({ agent, ...nobody }, [port]);
  assert.deepEqual(agent.asked, ['GET /v1/attachments']);
});

test('a tap that another guest has open is neither taken nor given back', async () => {
  const open = { isOpen: (tap: string) => tap === 'tap1' };
  const agent = agentOf({ items: [{ kind: 'tap', state: 'attached', port: 'p1', ifname: 'tap1' }] });
  await assert.rejects(prepareGuest({ agent, ...open }, [port]), /another program has tap1 open/);
  await releaseGuest({ agent, ...open }, [port]);
  assert.deepEqual(agent.asked, ['GET /v1/attachments']);
});

test('the ports of a guest that is about to come stand by; if one cannot, none is left', async () => {
  const agent = agentOf(attached(port.mac));
  await awaitGuest({ agent, ...nobody }, [port]);
  assert.deepEqual(agent.asked, [{ ...body, standby: true }]);
  const second = { ...port, tap: 'tap2', port: 'vm2' };
  const tap = { kind: 'tap', state: 'attached', tenant: 'acme', name: 'vm1', ifname: 'tap1', port: 'p1' };
  const refused = new HeddleError('INVALID', { field: 'standby', problem: 'port vm2 is on no host' });
  const failing = agentOf(attached(port.mac), refused, { items: [tap] }, {});
  await assert.rejects(awaitGuest({ agent: failing, ...nobody }, [port, second]), refused);
  assert.deepEqual(failing.asked.slice(2), ['GET /v1/attachments', 'DELETE /v1/attachments/p1']);
  await assert.rejects(awaitGuest({ agent: agentOf(), isOpen: () => true }, [port]), /another program has tap1 open/);
});

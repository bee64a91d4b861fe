import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { agentService, unmarkedSocketOf } from './agent-service.ts';
import { defaults } from './command.ts';

test('an agent’s socket is where its options say', () => {
  const socketOf = (...options: string[]) => agentService('/var/lib/heddle/agent', options).socket;
  assert.equal(socketOf(), defaults.agent);
  assert.equal(socketOf('--docker-tenant', 'acme', '--socket', '/run/a.sock'), '/run/a.sock');
  assert.equal(socketOf('--socket=/run/b.sock', '--name', 'h1'), '/run/b.sock');
});

test('a path that means another file where a service runs is refused, before a token is used', () => {
  for (const [stateDir, ...options] of [
    ['x'],
    ['/x', '--socket', 'run.sock'],
    ['/x', '--docker-authz=rules.json'],
  ] as const)
    assert.throws(
      () => agentService(stateDir, options),
      (e) => hasCode(e, 'USAGE'),
      `${stateDir} ${options}`,
    );
});

test('the unit of an earlier program is that of the socket in it, and nobody else’s', () => {
  const of = (...more: string[]) => [
    ...['[Unit]', 'Description=Heddle agent', '[Service]'],
    `ExecStart="/opt/heddle/heddle" "agent" "--state-dir" "/var/lib/heddle/agent"${more.map((word) => ` "${word}"`).join('')}`,
  ];
  assert.equal(unmarkedSocketOf(of()), defaults.agent);
  assert.equal(unmarkedSocketOf(of('--socket', '/run/b.sock')), '/run/b.sock');
  assert.equal(unmarkedSocketOf(of('--socket=/run/b.sock')), '/run/b.sock');
  assert.equal(unmarkedSocketOf(['Description=Heddle agent', 'ExecStart=/usr/bin/other agent']), undefined);
});

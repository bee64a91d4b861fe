import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentService } from './agent-service.ts';
import { defaults } from './command.ts';

test('an agent’s socket is where its options say', () => {
  const socketOf = (...argv: string[]) => agentService(argv).socket;
  assert.equal(socketOf('--state-dir', '/var/lib/heddle/agent'), defaults.agent);
  assert.equal(socketOf('--state-dir', '/x', '--docker-tenant', 'acme', '--socket', '/run/a.sock'), '/run/a.sock');
  assert.equal(socketOf('--socket=/run/b.sock', '--name', 'h1'), '/run/b.sock');
});

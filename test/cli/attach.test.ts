/** What `heddle attach` makes of its words, before it asks the agent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heddle } from './heddle.ts';

test('a tap’s owner may have any number that the kernel gives users, and no other', async () => {
  const attach = ['attach', 'tap', '--tenant', 'acme', '--network', 'web', '--agent', '/nowhere.sock', '--owner'];
  const [last, beyond] = await Promise.all(['4294967294', '4294967295'].map((uid) => heddle([...attach, uid])));
  assert.match(last!.stderr, /AGENT_UNREACHABLE/);
  assert.match(beyond!.stderr, /--owner 4294967295: user numbers end at 4294967294/);
});

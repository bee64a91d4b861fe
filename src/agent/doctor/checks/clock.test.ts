/** The clock is asked for where it is so wrong that nobody's certificate holds. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openClient } from '../../../client/client.ts';
import { makeAuthority } from '../../../trust/authority-certificate.ts';
import { issueServer } from '../../../trust/issue.ts';
import { DAY_MS } from '../../../trust/validity.ts';
import type { Site } from '../site.ts';
import { clock } from './clock.ts';
import { controller } from './controller.ts';

for (const [days, word] of [
  [9, 'behind'],
  [-9, 'ahead of'],
] as const)
  test(`this host's clock is nine days ${word} the controller's: the doctor says so, and nothing of firewalls`, async () => {
    const theirs = new Date(Date.now() + days * DAY_MS);
    const authority = await makeAuthority(new Date(theirs.getTime() - DAY_MS));
    const { key, certificate: cert } = await issueServer(authority, [], theirs);
    const server = createServer({ key, cert, minVersion: 'TLSv1.3' }, (_, response) =>
      response.setHeader('date', theirs.toUTCString()).end('ok\n'),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    using _ = { [Symbol.dispose]: () => void server.close() };
    const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const credentials = { ca: authority.certificate };
    const site = { controller: address, credentials: () => credentials, client: openClient(address, credentials) };
    const { signal } = new AbortController();

    const [found] = await clock.run(site as Site, signal);
    assert.equal(found!.grade, 'fail');
    assert.match(found!.text, new RegExp(`^the clock is 777\\d{3} s ${word} the controller’s: certificates`));

    const [unreached] = await controller.run(site as Site, signal);
    assert.equal(unreached!.grade, 'fail');
    assert.match(unreached!.text, /by this machine’s clock/);
    assert.match(unreached!.advice!, /heddle doctor clock/);
  });

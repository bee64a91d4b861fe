import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { choosePorts, parsePortMap } from './publish.ts';

const map = (...list: unknown[]) => ({ 'com.docker.network.portmap': list });
const one = (fields: object) =>
  parsePortMap(map({ Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 0, HostPortEnd: 0, ...fields }));

test('bindings are read as Docker writes them', () => {
  assert.deepEqual(parsePortMap(null), []);
  assert.deepEqual(parsePortMap(map()), []);
  assert.deepEqual(one({ HostPort: 8080, HostPortEnd: 8080 }), [
    { protocol: 'tcp', port: 80, first: 8080, last: 8080, any: false },
  ]);
  assert.deepEqual(one({ Proto: 17, HostIP: '198.18.0.1', HostPort: 9000, HostPortEnd: 9002 }), [
    { protocol: 'udp', port: 80, hostAddress: '198.18.0.1', first: 9000, last: 9002, any: false },
  ]);
  assert.equal(one({})[0]?.any, true);
  for (const all of ['0.0.0.0', '::', '', null]) assert.equal(one({ HostIP: all })[0]?.hostAddress, undefined);
  assert.equal(one({ HostIP: '127.0.0.1' })[0]?.hostAddress, '127.0.0.1');
});

test('what cannot be published is refused', () => {
  assert.throws(() => one({ Proto: 132, HostPort: 80 }), /-p 80:80\/sctp: only tcp and udp/);
  for (const wrong of [{ Port: 0 }, { Port: 70_000 }, { Port: '80' }, { HostPort: -1 }, { HostPort: 1.5 }])
    assert.throws(
      () => one(wrong),
      (e) => hasCode(e, 'INVALID'),
      JSON.stringify(wrong),
    );
  for (const HostIP of ['x', '127.0.0.1 . 22 : 10.0.0.1 . 22', '127.1', '224.0.0.1'])
    assert.throws(
      () => one({ HostIP }),
      (e) => hasCode(e, 'ADDRESS_INVALID'),
      HostIP,
    );
  assert.throws(
    () => parsePortMap({ 'com.docker.network.portmap': {} }),
    (e) => hasCode(e, 'INVALID'),
  );
  assert.throws(
    () => parsePortMap(map(null)),
    (e) => hasCode(e, 'INVALID'),
  );
  const many = Array.from({ length: 129 }, () => ({ Proto: 6, Port: 80 }));
  assert.throws(() => parsePortMap(map(...many)), /at most 128/);
});

test('a range gives its first free port, nobody’s wish any, and a port that was asked for is asked for', () => {
  const taken = [{ protocol: 'udp' as const, hostPort: 9000 }];
  const range = one({ Proto: 17, HostPort: 9000, HostPortEnd: 9001 });
  assert.deepEqual(
    choosePorts(range, taken, 0)?.map((p) => p.hostPort),
    [9001],
  );
  assert.equal(choosePorts([...range, ...range], taken, 0), undefined);
  const fixed = one({ Proto: 17, HostPort: 9000, HostPortEnd: 9000 });
  assert.deepEqual(
    choosePorts(fixed, taken, 0)?.map((p) => p.hostPort),
    [9000],
  );
  assert.deepEqual(
    choosePorts([...one({}), ...one({})], [], 0)?.map((p) => p.hostPort),
    [49_153, 49_154],
  );
  assert.deepEqual(
    choosePorts(one({}), [], 0.999_99)?.map((p) => p.hostPort),
    [65_535],
  );
});

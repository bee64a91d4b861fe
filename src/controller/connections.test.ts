import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { it, mock } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type Bounds, boundAnswer, boundConnections, clientIsKnown, defaultBounds } from './connections.ts';
import { listen } from './listen.ts';
import { openTestApi } from './test-api.ts';

interface Door extends AsyncDisposable {
  readonly port: number;
  /** A connection from one of the loopback's addresses. */
  open(localAddress?: string): Promise<Socket>;
}

/** A controller that listens, with bounds; by TLS or without. */
async function openDoor(bounds: Partial<Bounds> = {}, byTls = false): Promise<Door> {
  await using stack = new AsyncDisposableStack();
  const { app, authority } = stack.use(await openTestApi());
  await app.ready();
  const tls = byTls ? await authority() : undefined;
  const { server } = await listen(app, { tcp: '127.0.0.1:0' }, { bounds: { ...defaultBounds, ...bounds }, tls });
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const open = async (localAddress = '127.0.0.1') => {
    const at = { host: '127.0.0.1', port, localAddress };
    const socket = tls ? connectTls({ ...at, ca: tls.bundle() } as ConnectionOptions) : connect(at);
    socket.on('error', () => undefined);
    // One that is ended at once never gets there.
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once(tls ? 'secureConnect' : 'connect', resolve).once('close', resolve);
    await promise;
    return socket;
  };
  return Object.assign(stack.move(), { port, open });
}

/** All that comes until the other side ends the connection. */
async function rest(socket: Socket): Promise<string> {
  socket.setEncoding('utf8');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  if (!socket.closed) await once(socket, 'close');
  return text;
}
const request = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');
const whole = request('/v1/tenants', 'Connection: close');

/** What a client from an address is answered; '' if its connection is ended. */
async function ask(door: Door, localAddress?: string): Promise<string> {
  const socket = await door.open(localAddress);
  socket.write(whole);
  return (await rest(socket)).split('\r\n')[0]!;
}

it('10,000 idle connections of one client leave the others theirs', async () => {
  // Those that say nothing would otherwise end one after the other.
  const { perClient } = defaultBounds;
  await using door = await openDoor({ headersMs: 600_000, requestMs: 600_000, unknownPerClient: perClient });
  const open = new Set<Socket>();
  const refused = Promise.withResolvers<void>();
  let ended = 0;
  const connect = async () => {
    const socket = await door.open();
    open.add(socket.resume());
    socket.once('close', () => {
      open.delete(socket);
      if (++ended === 10_000 - perClient) refused.resolve();
    });
  };
  for (let batch = 0; batch < 100; batch++) await Promise.all(Array.from({ length: 100 }, connect));
  await refused.promise;
  assert.equal(await ask(door, '127.0.0.2'), 'HTTP/1.1 200 OK');
  assert.equal(await ask(door), '', 'it has all it may have');
  assert.equal(open.size, perClient);
  for (const socket of open) socket.destroy();
  let answer = '';
  // The server hears of each end by itself.
  while (answer === '') answer = await ask(door);
  assert.equal(answer, 'HTTP/1.1 200 OK', 'and as many again once they are gone');
});

for (const byTls of [false, true])
  it(`of one client’s connections${byTls ? ' by TLS' : ''}, bounds those that have not shown who they are by themselves`, async () => {
    await using door = await openDoor({ unknownPerClient: 3 }, byTls);
    const known: Socket[] = [];
    for (let i = 0; i < 10; i++) {
      const socket = await door.open();
      socket.write(request('/v1/tenants'));
      assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 /);
      known.push(socket);
    }
    const strangers: Socket[] = [];
    for (let i = 0; i < 3; i++) strangers.push(await door.open());
    const [oldest, asks, silent] = strangers as [Socket, Socket, Socket];
    oldest.write(request('/healthz'));
    assert.match(String((await once(oldest, 'data'))[0]), /^HTTP\/1.1 200 /);
    assert.equal(await ask(door, '127.0.0.2'), 'HTTP/1.1 200 OK');
    assert.equal(oldest.closed, false);
    asks.write(request('/v1/tenants'));
    await once(asks, 'data');
    assert.equal(await ask(door), 'HTTP/1.1 200 OK', 'one of the three is known now');
    assert.equal(oldest.closed, false);
    strangers.push(await door.open());
    assert.equal(await ask(door), 'HTTP/1.1 200 OK', 'however many are silent');
    if (!oldest.closed) await once(oldest, 'close');
    for (const socket of [...known, asks, silent]) assert.equal(socket.destroyed, false);
    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 3; n++) strangers.push(await door.open());
      assert.equal(await ask(door), 'HTTP/1.1 200 OK', 'nor how often they come again');
    }
    for (const socket of known) assert.equal(socket.destroyed, false);
    for (const socket of [...known, ...strangers]) socket.destroy();
  });

it('counts a connection from the port of one that is not heard to have closed yet', () => {
  const server = new EventEmitter();
  boundConnections(server as Server, { ...defaultBounds, unknownPerClient: 2 });
  const connected = (remotePort: number) => {
    const destroy = mock.fn();
    const socket = Object.assign(new EventEmitter(), { remoteAddress: '192.0.2.1', remotePort, destroy });
    server.emit('connection', socket);
    return socket as typeof socket & Socket;
  };
  const [before, after] = [connected(1), connected(1)];
  clientIsKnown(before);
  before.emit('close');
  connected(2);
  assert.equal(after.destroy.mock.callCount(), 0);
  connected(3);
  assert.equal(after.destroy.mock.callCount(), 1, 'it is nobody known, and the oldest');
});

for (const [what, sent] of [
  ['nothing', ''],
  ['half a line', 'GET /v1/ten'],
  ['headers without end', 'GET /v1/tenants HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
  [
    'a body without end',
    'POST /v1/tenants HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name":',
  ],
  [
    'chunks without end',
    'POST /v1/tenants HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"name":\r\n',
  ],
])
  it(`ends a connection that sends ${what}, and none that sends a request`, async () => {
    await using door = await openDoor({ headersMs: 100, requestMs: 200, checkMs: 20 });
    const slow = await door.open();
    slow.write(sent!);
    assert.match(await rest(slow), /^HTTP\/1.1 408 |^$/);
    assert.equal(await ask(door), 'HTTP/1.1 200 OK');
  });

for (const [what, attack, status] of [
  ['two lengths', request('/v1/tenants', 'Content-Length: 5', 'Content-Length: 6'), 400],
  ['a length and chunks', request('/v1/tenants', 'Content-Length: 5', 'Transfer-Encoding: chunked'), 400],
  ['a header without a name', request('/v1/tenants', ': x'), 400],
  ['a line within a header', request('/v1/tenants', 'X-A: b\rX-C: d'), 400],
  ['a NUL in a header', request('/v1/tenants', 'X-A: \0'), 400],
  ['more headers than fit', request('/v1/tenants', `X-A: ${'a'.repeat(20_000)}`), 431],
  ['a path longer than all headers', request(`/v1/${'a'.repeat(20_000)}`), 431],
  ['a line break in the path', request('/v1/ten\nants'), 400],
  ['dots in the path', request('/v1/tenants/../hosts', 'Connection: close'), 404],
  ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['no Host', 'GET /v1/tenants HTTP/1.1\r\n\r\n', 400],
  ['a stranger’s Host', 'GET /v1/tenants HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', 400],
] as const)
  it(`refuses ${what}, and answers the twin without`, async () => {
    await using door = await openDoor();
    const socket = await door.open();
    socket.end(attack);
    const answer = await rest(socket);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.doesNotMatch(answer, /x-evil|200 OK/i);
    assert.equal(await ask(door), 'HTTP/1.1 200 OK');
  });

for (const [what, head, body] of [
  ['by its length, before a byte of it', 'Content-Length: 104857600', ''],
  ['when more has come than may', 'Transfer-Encoding: chunked', `200000\r\n${' '.repeat(2 << 20)}`],
] as const)
  it(`refuses a body of 100 MB ${what}, and takes one of 100 bytes`, async () => {
    await using door = await openDoor();
    const post = (length: string) =>
      ['POST /v1/tenants HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', length, '', ''].join('\r\n');
    const socket = await door.open();
    socket.write(post(head) + body);
    const [first] = await once(socket, 'data');
    assert.match(String(first), /^HTTP\/1.1 413 /);
    socket.destroy();
    const twin = await door.open();
    twin.write(post('Content-Length: 100') + '{"name":"acme"}'.padEnd(100));
    assert.match(String((await once(twin, 'data'))[0]), /^HTTP\/1.1 201 /);
    twin.destroy();
  });

it('ends the connection of a client that does not take its answer, and of none that does', async () => {
  const server = createServer((asked, response) => {
    boundAnswer(response, { answerMs: 100 });
    // More than the kernel keeps for a connection that nobody reads.
    response.end(asked.url === '/large' ? Buffer.alloc(64 << 20) : 'small');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<{ here: Socket; there: Socket }> => {
    const here = connect(port, '127.0.0.1').on('error', () => undefined);
    const [there] = (await once(server, 'connection')) as [Socket];
    return { here, there };
  };
  try {
    const reader = await open();
    const answered = async () => {
      reader.here.write(request('/small'));
      assert.match(String((await once(reader.here, 'data'))[0]), /small$/);
    };
    await answered();
    const deaf = await open();
    deaf.here.pause().write(request('/large'));
    await once(deaf.there, 'close');
    await answered();
    deaf.here.destroy();
    reader.here.destroy();
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

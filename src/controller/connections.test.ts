import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, mock } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import {
  type Bounds,
  boundAnswer,
  boundConnections,
  clientIsKnown,
  connectionCounts,
  defaultBounds,
} from './connections.ts';
import { listen } from './listen.ts';
import { openTestApi } from './test-api.ts';

interface Door extends AsyncDisposable {
  readonly port: number;
  /** A connection from one of the loopback's addresses, once its handshake is over. */
  open(localAddress?: string): Promise<Socket>;
  /** One whose client says nothing of TLS by itself. */
  openBare(localAddress?: string): Promise<Socket>;
  /** How many connections ended so, as the metrics say. */
  refused(why: 'share' | 'full' | 'handshake' | 'request'): Promise<number>;
}

/** A controller that listens as every one does, by TLS, with bounds. */
async function openDoor(bounds: Partial<Bounds> = {}): Promise<Door> {
  await using stack = new AsyncDisposableStack();
  const { app, authority, connections, request } = stack.use(await openTestApi());
  await app.ready();
  const options = { bounds: { ...defaultBounds, ...bounds }, tls: authority, counts: connections };
  const { address } = stack.use(await listen(app, { tcp: '127.0.0.1:0' }, options));
  const port = Number(new URL(address).port);
  const ca = (await authority()).bundle();
  const reached = async <S extends Socket>(socket: S, by: 'connect' | 'secureConnect'): Promise<S> => {
    // One that is ended at once never gets there.
    const { promise, resolve } = Promise.withResolvers<void>();
    socket
      .on('error', () => undefined)
      .once(by, resolve)
      .once('close', resolve);
    await promise;
    return socket;
  };
  const at = (localAddress = '127.0.0.1') => ({ host: '127.0.0.1', port, localAddress });
  return Object.assign(stack.move(), {
    port,
    open: (from?: string) => reached(connectTls({ ...at(from), ca } as ConnectionOptions), 'secureConnect'),
    openBare: (from?: string) => reached(connect(at(from)), 'connect'),
    async refused(why: string) {
      const { body } = await request('GET', '/metrics');
      return Number(
        new RegExp(`^heddle_connections_refused_total\\{why="${why}"\\} (\\d+)$`, 'm').exec(body)?.[1] ?? 0,
      );
    },
  });
}

/** The beginning of a handshake: a record of TLS that says how long it is, and as much of its ClientHello. */
const helloBegun = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]);

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

it('A27: 10,000 idle connections of one client leave the others theirs: with a handshake, half of one, and none', async () => {
  // Those that say nothing would otherwise end one after the other.
  const { perClient } = defaultBounds;
  await using door = await openDoor({ headersMs: 600_000, requestMs: 600_000, unknownPerClient: perClient });
  const open = new Set<Socket>();
  const refused = Promise.withResolvers<void>();
  const signal = AbortSignal.timeout(300_000);
  signal.addEventListener('abort', () => refused.reject(signal.reason));
  let ended = 0;
  const connect = async (_: unknown, i: number) => {
    const socket = await (i % 3 === 0 ? door.open() : door.openBare());
    if (i % 3 === 1) socket.write(helloBegun);
    open.add(socket.resume());
    const gone = () => {
      if (open.delete(socket) && ++ended === 10_000 - perClient) refused.resolve();
    };
    if (socket.closed) gone();
    else socket.once('close', gone);
  };
  for (let batch = 0; batch < 100; batch++) await Promise.all(Array.from({ length: 100 }, connect));
  await refused.promise;
  assert.equal(await ask(door, '127.0.0.2'), 'HTTP/1.1 200 OK');
  assert.equal(await ask(door), '', 'it has all it may have');
  assert.equal(open.size, perClient);
  assert.equal(await door.refused('share'), 10_001 - perClient, 'each is counted');
  for (const socket of open) socket.destroy();
  let answer = '';
  // The server hears of each end by itself.
  while (answer === '') {
    signal.throwIfAborted();
    answer = await ask(door);
  }
  assert.equal(answer, 'HTTP/1.1 200 OK', 'and as many again once they are gone');
});

for (const [what, begin] of [
  ['that have ended their handshake', (door: Door) => door.open()],
  ['that have not begun one', (door: Door) => door.openBare()],
] as const)
  it(`A27: of one client’s connections ${what}, bounds those that have not shown who they are by themselves`, async () => {
    await using door = await openDoor({ unknownPerClient: 3 });
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
    strangers.push(await begin(door));
    assert.equal(await ask(door), 'HTTP/1.1 200 OK', 'however many are silent');
    if (!oldest.closed) await once(oldest, 'close');
    for (const socket of [...known, asks, silent]) assert.equal(socket.destroyed, false);
    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 3; n++) strangers.push(await begin(door));
      assert.equal(await ask(door), 'HTTP/1.1 200 OK', 'nor how often they come again');
    }
    for (const socket of known) assert.equal(socket.destroyed, false);
    assert.equal(await door.refused('handshake'), 0, 'whoever is ended as one too many has failed in none');
    for (const socket of [...known, ...strangers]) socket.destroy();
  });

it('A27: a connection more than the server takes of all is ended, and is nobody’s share', async () => {
  await using door = await openDoor({ all: 2 });
  const open = [await door.open('127.0.0.1'), await door.open('127.0.0.2')];
  assert.equal(await ask(door, '127.0.0.3'), '');
  assert.deepEqual([await door.refused('full'), await door.refused('share')], [1, 0]);
  for (const socket of open) assert.equal(socket.closed, false);
  for (const socket of open) socket.destroy();
});

it('counts a connection from the port of one that is not heard to have closed yet', () => {
  const server = new EventEmitter();
  boundConnections(server as Server, { ...defaultBounds, unknownPerClient: 2 }, connectionCounts());
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

/** As far apart as another client needs on a machine that has much to do. */
const soon: Partial<Bounds> = { headersMs: 2_000, requestMs: 3_000, checkMs: 50 };

describe('A27: slow clients', { concurrency: true }, () => {
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
      await using door = await openDoor(soon);
      const slow = await door.open();
      slow.write(sent!);
      assert.equal(await ask(door), 'HTTP/1.1 200 OK', 'meanwhile');
      assert.match(await rest(slow), /^HTTP\/1.1 408 |^$/);
      assert.equal(await ask(door), 'HTTP/1.1 200 OK');
      assert.equal(await door.refused('request'), 1);
    });

  for (const [what, sent] of [
    ['no handshake', Buffer.alloc(0)],
    ['half of one, and a byte now and then', helloBegun],
  ] as const)
    it(`ends a connection that sends ${what}, and none that sends a request`, async () => {
      await using door = await openDoor(soon);
      const slow = await door.openBare();
      slow.write(sent);
      const trickle = setInterval(() => sent.length > 0 && slow.write(Buffer.alloc(1)), 20).unref();
      slow.once('close', () => clearInterval(trickle));
      const other = await door.open();
      other.write(whole);
      assert.match(await rest(other), /^HTTP\/1.1 200 /, 'meanwhile');
      if (!slow.closed) await once(slow, 'close');
      assert.equal(await ask(door), 'HTTP/1.1 200 OK');
      assert.equal(await door.refused('handshake'), 1);
    });

  it('that have not ended their handshake do not keep a controller from its end', async () => {
    const door = await openDoor({ headersMs: 600_000, requestMs: 600_000 });
    const [silent, begun] = [await door.openBare(), await door.openBare()];
    begun.write(helloBegun);
    const known = await door.open();
    assert.equal(await ask(door), 'HTTP/1.1 200 OK');
    const signal = AbortSignal.timeout(60_000);
    const sockets = [silent, begun, known];
    const ends = sockets.map((socket) => once(socket, 'close', { signal }));
    try {
      await Promise.all([door[Symbol.asyncDispose](), ...ends]);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });
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
  ['a page’s origin', request('/v1/tenants', 'Origin: https://evil.example', 'Connection: close'), 400],
] as const)
  it(`A27: refuses ${what}, and answers the twin without`, async () => {
    await using door = await openDoor();
    const socket = await door.open();
    socket.end(attack);
    const answer = await rest(socket);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.doesNotMatch(answer, /x-evil|200 OK/i);
    assert.equal(await ask(door), 'HTTP/1.1 200 OK');
    // What comes as far as a route is counted with the requests; of no Host the server itself answers so.
    const counted = answer.includes('"requestId"') || what === 'no Host' ? 0 : 1;
    assert.equal(await door.refused('request'), counted);
  });

it('A27: refuses a stranger’s Host where no certificate stands against pages, and answers the twin without', async () => {
  await using api = await openTestApi();
  await api.app.ready();
  const dir = mkdtempSync(join(tmpdir(), 'heddle-connections-'));
  const path = join(dir, 'socket');
  try {
    using _ = await listen(api.app, { unix: path }, { tls: api.authority, counts: api.connections });
    for (const [host, status] of [
      ['evil.example', 400],
      ['localhost', 200],
    ]) {
      const socket = connect(path);
      socket.write(`GET /v1/tenants HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      assert.match(await rest(socket), new RegExp(`^HTTP/1.1 ${status} `));
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

for (const [what, head, body] of [
  ['by its length, before a byte of it', 'Content-Length: 104857600', ''],
  ['when more has come than may', 'Transfer-Encoding: chunked', `200000\r\n${' '.repeat(2 << 20)}`],
] as const)
  it(`A27: refuses a body of 100 MB ${what}, and takes one of 100 bytes`, async () => {
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

it('A27: ends the connection of a client that does not take its answer, and of none that does', async () => {
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

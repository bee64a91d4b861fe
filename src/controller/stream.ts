import { isDeepStrictEqual } from 'node:util';
import type { WebSocket } from 'ws';
import { hostsOf } from '../compile/binding.ts';
import { compileCheck } from '../listen/validate.ts';
import { parseIp } from '../model/address.ts';
import { HeddleError, toProblem } from '../model/errors.ts';
import {
  type AgentMessage,
  type Ask,
  type ControllerMessage,
  type Hello,
  type HostHealth,
  type HostWord,
  type PortCounters,
  PROTOCOL,
  parseAgentMessage,
  parseCountersResult,
  parseHealthResult,
  type Report,
} from '../model/host-state.ts';
import type { HostId } from '../model/ids.ts';
import { kinds } from '../model/kinds.ts';
import type { Audit } from './audit.ts';
import type { Deed } from './audit-who.ts';
import { Feed } from './feed.ts';
import { heartbeat } from './heartbeat.ts';
import { othersVteps } from './host.ts';
import { Lag } from './lag.ts';
import type { Connected, Presence } from './presence.ts';
import { type HostPrincipal, hostProblem } from './principal.ts';
import type { Publisher } from './publisher.ts';
import type { RateLimit } from './rate-limit.ts';
import type { HostRecord, Stored } from './records.ts';
import type { World } from './world.ts';
import type { Writer } from './writer.ts';

const macPattern = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
/** A connection on which no agent says hello for so long is nobody's. */
const HELLO_MS = 10_000;
/** How long an agent may take to answer a question. */
const ASK_MS = 3_000;

/** Hellos of a host: each may be a write, and is answered with all that concerns it. An agent waits longer between two that fail. */
export const helloRates = { write: 1, read: 0 } as const;

type Answer = Extract<AgentMessage, { type: 'answer' }>;

export interface StreamContext {
  readonly world: World;
  readonly writer: Writer;
  readonly publisher: Publisher;
  readonly presence: Presence;
  readonly audit: Pick<Audit, 'during' | 'refused'>;
  /** How often a host may begin anew; root here as often as it likes. */
  readonly hellos?: Pick<RateLimit, 'take'>;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

/** Serves one agent's connection from its hello to its end. */
export function serveStream(
  ctx: StreamContext,
  socket: WebSocket,
  request: Deed = { principal: undefined, from: 'unix' },
): void {
  const { principal } = request;
  let session: Session | undefined;
  let greeted = false;
  const own = principal?.kind === 'host' ? principal : undefined;
  /** What the hello says counts in root's streams alone: a host is who its certificate says, whatever it calls itself. */
  let said: string | undefined;
  /** What comes of it is the host's deed, also if root here speaks for it. */
  const deed: Deed = {
    ...request,
    get host() {
      return own ? (ctx.world.host.get(own.host)?.record.name ?? own.name) : said;
    },
  };
  const refuse = (e: unknown) => {
    const { host: name } = deed;
    ctx.log.warn({ err: e, host: name }, 'stream refused');
    const problem = toProblem(e);
    const { code, detail, details } = problem;
    const about = { kind: 'host', ...(name !== undefined && { name: name.slice(0, 80) }) };
    ctx.audit.refused(deed, code, () => about);
    if (name !== undefined && code !== 'RATE_LIMITED') ctx.presence.refused(name, problem);
    const refusal: ControllerMessage = { type: 'refusal', problem: { code, detail, details } };
    socket.send(JSON.stringify(refusal), () => socket.close(1008, code));
  };
  const receive = async (message: AgentMessage) => {
    if (message.type === 'hello') {
      if (greeted) throw new HeddleError('INVALID', { field: 'message', problem: 'a second hello' });
      greeted = true;
      if (own) ctx.hellos?.take(`host:${own.host}`, 'write');
      said = message.name;
      const host = await welcome(ctx, message, own);
      refuseOutdated(ctx.world, own);
      if (socket.readyState === socket.OPEN)
        session = new Session(ctx, host, { ...message, name: host.record.name }, socket);
    } else if (!greeted)
      throw new HeddleError('INVALID', { field: 'message', problem: 'the first message must be a hello' });
    // What comes before the welcome is of an earlier stream; an agent says all anew after it.
    else await session?.receive(message);
  };
  const silent = setTimeout(() => {
    if (!greeted) refuse(new HeddleError('INVALID', { field: 'message', problem: 'no hello came' }));
  }, HELLO_MS).unref();
  socket.on('message', (bytes) => {
    ctx.audit.during(deed, () => Promise.try(() => receive(parseAgentMessage(String(bytes)))).catch(refuse));
  });
  socket.on('error', (err) => ctx.log.warn({ err }, 'stream failed'));
  socket.on('close', () => {
    clearTimeout(silent);
    session?.end();
  });
  heartbeat(socket);
}

/** Another machine may have joined as this host since the connection was opened. @throws HOST_GONE, CERTIFICATE_REVOKED */
function refuseOutdated(world: World, own: HostPrincipal | undefined): void {
  const problem = own && hostProblem(world, own);
  if (problem) throw problem;
}

const checkHost = compileCheck(kinds.host.input);

/**
 * The host object of a hello: made, or brought up to date.
 * @param own whose certificate was shown: without its object it is none, and does not become one by itself
 * @throws HOST_GONE, CERTIFICATE_REVOKED, PROTOCOL_MISMATCH, HOST_MISMATCH, VTEP_TAKEN, NAME_INVALID, ADDRESS_INVALID, INVALID
 */
async function welcome(
  { world, writer, presence }: StreamContext,
  hello: Hello,
  own: HostPrincipal | undefined,
): Promise<Stored<'host'>> {
  const { name, mtuBytes, protocol } = hello;
  if (protocol !== PROTOCOL) throw new HeddleError('PROTOCOL_MISMATCH', { have: protocol, want: PROTOCOL });
  checkHost({ name, vtep: hello.vtep, mtuBytes });
  const vtep = parseIp(hello.vtep);
  const about = { vtep, mtuBytes };
  for (;;) {
    refuseOutdated(world, own);
    const have = world.find('host', '-', own?.host ?? name);
    if (have?.record.revoked) throw new HeddleError('CERTIFICATE_REVOKED', { host: name });
    if (have && have.record.vtep !== vtep && presence.get(have.record.id)) throw twoOfOneName(have.record, vtep);
    if (have && isDeepStrictEqual(about, toldOf(have.record))) return have;
    try {
      const written = have
        ? await writer.update('host', '-', have.record.id, undefined, (input) => {
            refuseOutdated(world, own);
            return { ...input, ...about };
          })
        : await writer.create('host', '-', { name, ...about });
      return written.change.after!;
    } catch (e) {
      // Made or deleted by another between our look and our write: look again.
      const moved = e instanceof HeddleError && (have ? e.code === 'NOT_FOUND' : e.code === 'NAME_TAKEN');
      if (!moved) throw e;
    }
  }
}

const toldOf = ({ vtep, mtuBytes }: HostRecord) => ({ vtep, mtuBytes });

/** A host that has moved loses its old stream within the heartbeat: while that lives, this is a second host. */
const twoOfOneName = ({ name, vtep: other }: HostRecord, vtep: string): HeddleError =>
  new HeddleError('HOST_MISMATCH', {
    problem: `a host named ${name} is connected from ${other}, this one is at ${vtep}: give each host a name of its own; if it has moved, stop its other agent`,
    connectedFrom: other,
  });

class Session implements Connected {
  readonly hello: Hello;
  applied = -1n;
  readonly ports: Connected['ports'] = new Map();
  readonly #ctx: StreamContext;
  readonly #host: HostId;
  readonly #socket: WebSocket;
  readonly #feed: Feed;
  readonly #lag = new Lag();
  readonly #asked = new Map<number, Pick<PromiseWithResolvers<unknown>, 'resolve' | 'reject'>>();
  #lastAsk = 0;
  /** What the agent has said of its host, and is not written yet. */
  #word: HostWord | undefined;
  /** VTEPs of others that it has named. */
  #others: ReturnType<typeof othersVteps> = [];
  #ended = false;

  constructor(ctx: StreamContext, host: Stored<'host'>, hello: Hello, socket: WebSocket) {
    this.hello = hello;
    this.#ctx = ctx;
    this.#host = host.record.id;
    this.#socket = socket;
    this.#feed = new Feed(ctx.world, this.#host, {
      buffered: () => socket.bufferedAmount,
      send: (text, sent) => {
        ctx.publisher.sent.messages++;
        ctx.publisher.sent.bytes += Buffer.byteLength(text);
        this.#lag.sent(ctx.world.revision, performance.now());
        socket.send(text, sent);
      },
    });
    const old = ctx.presence.get(this.#host);
    old?.dismiss('replaced');
    const { number, name } = host.record;
    this.#send({ type: 'welcome', host: { id: this.#host, number, name } });
    ctx.presence.arrive(this.#host, this);
    ctx.publisher.connect(this.#host, this.#feed);
    this.#feed.start();
    ctx.log.info({ host: host.record.name, version: hello.version }, 'host connected');
  }

  async receive(message: Exclude<AgentMessage, Hello>): Promise<void> {
    if (message.type === 'report') this.#report(message);
    else if (message.type === 'answer') this.#answered(message);
    else await this.#told(message);
  }

  /** One after the other, and of several that wait the last. @throws as Writer.told */
  async #told(word: HostWord): Promise<void> {
    const waits = this.#word !== undefined;
    this.#word = word;
    if (waits) return;
    while (this.#word && !this.#ended) {
      const next: HostWord = this.#word;
      await this.#ctx.writer.told(this.#host, next);
      this.#warnOfOthers(next);
      if (this.#word === next) this.#word = undefined;
    }
  }

  /** What was left out of a host's word, each time that it is something else. */
  #warnOfOthers(word: HostWord): void {
    const others = othersVteps(this.#ctx.world, this.#host, word);
    if (isDeepStrictEqual(others, this.#others)) return;
    this.#others = others;
    if (others.length > 0)
      this.#ctx.log.warn({ host: this.hello.name, others }, 'a host names VTEPs of others as its own: left out');
  }

  /** A host speaks of its own ports only, and of what there is. @throws INVALID */
  #report(report: Report): void {
    const { world, presence } = this.#ctx;
    if (BigInt(report.revision) > world.revision)
      throw new HeddleError('INVALID', { field: 'revision', problem: `it is beyond the store's, ${world.revision}` });
    const ports = report.ports.filter(({ id }) => this.#isWired(id)).map((port) => this.#ofNetwork(port));
    presence.report(this.#host, this, { ...report, ports });
    this.#lag.applied(this.applied);
  }

  /** A segment's host says who has addresses of its own network, and of no other. */
  #ofNetwork({ contests, ...port }: Report['ports'][number]): Report['ports'][number] {
    const { port: ports } = this.#ctx.world;
    const network = ports.get(port.id)?.record.network;
    const own = contests?.flatMap(({ port: id, address, mac }) => {
      const contested = ports.get(id)?.record;
      const has = contested?.network === network && contested?.addresses.some((ip) => ip === address);
      return has && macPattern.test(mac) ? [{ port: id, address, mac }] : [];
    });
    return { ...port, ...(own && { contests: own }) };
  }

  #isWired(port: string): boolean {
    const { world } = this.#ctx;
    const found = world.port.get(port)?.record;
    return found !== undefined && hostsOf(world.bindingOf(found)).includes(this.#host);
  }

  #answered({ id, result, problem }: Answer): void {
    const asked = this.#asked.get(id);
    if (problem) asked?.reject(new HeddleError('INTERNAL', { problem: `host ${this.hello.name}: ${problem.detail}` }));
    else asked?.resolve(result);
  }

  async ask(question: Ask['question']): Promise<Record<string, PortCounters>> {
    return parseCountersResult(await this.#ask(question, ASK_MS));
  }

  async health(deadlineMs: number): Promise<HostHealth> {
    return parseHealthResult(await this.#ask({ name: 'health' }, deadlineMs));
  }

  renew(): void {
    this.#send({ type: 'renew' });
  }

  lagMs(): number {
    return this.#lag.ms(performance.now());
  }

  async #ask(question: Ask['question'], deadlineMs: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = ++this.#lastAsk;
    const offline = () => reject(new HeddleError('HOST_OFFLINE', { host: this.hello.name }));
    const timer = setTimeout(offline, deadlineMs);
    this.#asked.set(id, { resolve, reject });
    try {
      this.#send({ type: 'ask', id, question });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  dismiss(why: string): void {
    this.#leave();
    this.#socket.close(1000, why);
  }

  end(): void {
    if (this.#ended) return;
    this.#leave();
    this.#ctx.log.info({ host: this.hello.name }, 'host disconnected');
  }

  #leave(): void {
    this.#ended = true;
    this.#feed.stop();
    this.#ctx.publisher.disconnect(this.#host, this.#feed);
    this.#ctx.presence.leave(this.#host, this);
    for (const { reject } of this.#asked.values()) reject(new HeddleError('HOST_OFFLINE', { host: this.hello.name }));
  }

  #send(message: ControllerMessage): void {
    this.#socket.send(JSON.stringify(message));
  }
}

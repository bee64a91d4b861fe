import { release } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { type Client, openClient } from '../client/client.ts';
import { layoutHash, maps as mapTable } from '../datapath/layouts.ts';
import { Gateways } from '../gateway/gateways.ts';
import { Guard } from '../gateway/guard.ts';
import { controlPlaneOf } from '../gateway/uplinks.ts';
import { ensureBpffs, openBpf, removeOtherPins } from '../kernel/bpf.ts';
import { openNetlink } from '../kernel/netlink.ts';
import { ensureSocketFolder } from '../listen/unix-socket.ts';
import { parseIp } from '../model/address.ts';
import { hasCode } from '../model/errors.ts';
import { PROTOCOL, type ServerItem } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { Allocation } from './allocation.ts';
import { Arrivals } from './arrivals.ts';
import { Attacher } from './attach.ts';
import { Attachments } from './attachments.ts';
import { CacheWriter } from './cache-writer.ts';
import { DatapathMaps } from './datapath-maps.ts';
import { startDhcp } from './dhcp/start.ts';
import { startDns } from './dns/start.ts';
import { checkAtStart } from './doctor/at-start.ts';
import { ProbeAnswers } from './doctor/path/answers.ts';
import { OtherHosts, settingNetworks } from './host-setting.ts';
import { HostTeller } from './host-word.ts';
import { kernelFeatures } from './kernel-features.ts';
import { LeaseBook } from './lease-book.ts';
import { Leases } from './leases.ts';
import { Leave } from './leave/leave.ts';
import { removeIfEmpty } from './leave/sweep.ts';
import { requireAlone, serveLocalApi } from './local-api.ts';
import { LocalWorkloads } from './local-workloads.ts';
import { openMembership } from './membership.ts';
import { startMetadata } from './metadata/start.ts';
import { noCertificate, serveMetrics } from './metrics-server.ts';
import { Moves } from './moves.ts';
import { NetworkUsers } from './network-users.ts';
import { tellNotGiven } from './not-given.ts';
import { observeAgent } from './observe.ts';
import { Reconciler } from './reconciler.ts';
import { Refusals } from './refusals.ts';
import { Segments } from './segment/start.ts';
import { ServerNamespaces } from './server-namespaces.ts';
import { Sharing } from './shared/start.ts';
import { readStateCache } from './state-cache.ts';
import { agentStatus } from './status.ts';
import { ControllerStream } from './stream.ts';
import { type ThisHost, thisHost } from './this-host.ts';
import { defaultVtep, Underlay } from './underlay.ts';
import { Upkeep } from './upkeep.ts';
import { Uploads } from './uploads.ts';
import { WorkloadDevices } from './workload-devices.ts';
import type { Workloads } from './workloads.ts';

/** How to run an agent; every field but the last four has a flag of `heddle agent`. */
export interface AgentOptions {
  /** This host's name, if its controller has not given it one; default: the machine's. */
  readonly name?: string;
  /** Underlay address; default: the source address of the default route. */
  readonly vtep?: string;
  /** "https://address:port", for a host that has joined, or "unix:/path"; default: what the host joined, or the controller on this machine. */
  readonly controller?: string;
  /** The token to join with, if the host has not joined. */
  readonly joinToken?: () => string;
  /** Directory of attachments and the cached host state. */
  readonly stateDir: string;
  /** Path of the local API's unix socket. */
  readonly socket: string;
  /** Number of the group whose members may ask it for taps of their own and read what it shows; default: root alone asks. */
  readonly socketGroup?: number;
  /** A bpffs, mounted if it is not one; pins go to a directory of the layout's name in it. */
  readonly bpfDir: string;
  /** UDP port of VXLAN. */
  readonly vxlanPort: number;
  /** Prefixes that no workload of this host gets to by its gateway, besides other hosts; "none": hosts neither. */
  readonly guard?: readonly string[];
  /** Names the resolvers that workloads' queries for outside names are forwarded to. */
  readonly resolvConf: string;
  /** "address:port" where metrics are served by TLS, besides on the socket, by a host that has joined; default: nowhere. */
  readonly metricsListen?: string;
  readonly version: string;
  /** Ends the workload integrations, when the host leaves. */
  readonly integrations?: () => Promise<void>;
  /** The host has left, and the process is to end; with what cut it off, if so. */
  readonly onLeft?: (cause?: unknown) => void;
  readonly log: Logger;
}

/** An agent that runs. */
export interface Agent extends AsyncDisposable {
  /** This and what follows are for the workload integrations in this process. */
  readonly thisHost: ThisHost;
  readonly client: Client;
  readonly workloads: Workloads;
  /** What they refuse by themselves is told there. */
  readonly refusals: Pick<Refusals, 'note'>;
}

/** What the object's maps must be like. */
const mapShapes = Object.fromEntries(
  Object.entries(mapTable).map(([name, m]) => [
    name,
    { keySize: m.key.size, valueSize: m.value.size, maxEntries: m.max },
  ]),
);
const bpfObject = fileURLToPath(new URL('../../build/heddle.bpf.o', import.meta.url));

/**
 * Starts an agent. Disposing it ends the process's part; the kernel goes on as it is.
 * @throws KERNEL_UNSUPPORTED, HOST_MISMATCH (another agent runs; no device has the VTEP), NAME_INVALID, ADDRESS_INVALID, KERNEL,
 *   USAGE
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { log, stateDir, version } = options;
  const { name, controller, own } = await openMembership(options);
  if (options.metricsListen !== undefined && !own) throw noCertificate();
  const features = kernelFeatures(release());
  await requireAlone(options.socket);
  ensureSocketFolder(options.socket);
  await using open = new AsyncDisposableStack();

  const nl = open.use(openNetlink());
  const vtep = options.vtep === undefined ? defaultVtep(nl) : parseIp(options.vtep);
  const { vxlanPort, bpfDir, resolvConf } = options;
  if (own) open.use(own);
  const credentials = own?.credentials;
  const client = openClient(controller, credentials);
  const site = { nl, vtep, vxlanPort, controller, credentials, client, stateDir, bpfDir, resolvConf };
  const startWarnings = await checkAtStart({ ...site, agent: undefined }, log);
  ensureBpffs(options.bpfDir);
  const bpf = open.use(openBpf({ object: bpfObject, pinDir: `${options.bpfDir}/${layoutHash}`, shapes: mapShapes }));
  const maps = new DatapathMaps(bpf);
  const metrics = new AgentMetrics(maps);
  const controlPlane = controlPlaneOf(controller);
  const underlay = new Underlay({ nl, vtep, udpPort: options.vxlanPort, features, bpf, log });
  const attachments = new Attachments(stateDir, log);
  const devices = new WorkloadDevices({
    nl,
    programs: {
      from: bpf.program('from_port'),
      toHost: bpf.program('to_host'),
      fromSegment: bpf.program('from_segment'),
    },
    resetCounters: (slot) => maps.resetCounters(slot),
    recorded: attachments.all,
    servers: new ServerNamespaces(),
    underlay: () => [...underlay.facts.paths.keys(), ...(controlPlane ? [controlPlane.address] : [])],
    log,
  });
  devices.scan(maps.slots());
  const guard = new Guard(options.guard);
  const netnsDir = `${dirname(options.socket)}/netns`;
  const gateways = open.use(
    new Gateways({
      nl,
      program: bpf.program('from_port'),
      dir: netnsDir,
      vxlanPort: options.vxlanPort,
      vtep,
      controlPlane,
      guard,
      log,
    }),
  );
  /** What of the agent acts by itself. */
  const services = open.use(new AsyncDisposableStack());
  const reconciler = new Reconciler(
    { maps, devices, underlay, gateways, attachments, log },
    readStateCache(stateDir, log),
  );
  reconciler.onTimed = metrics.timed;
  services.use(reconciler);
  const self = thisHost(reconciler, name);
  services.use(
    reconciler.watchItems((key, item) => {
      if (key.startsWith('server/')) guard.heed(key, item as ServerItem | undefined);
    }),
  );
  const others = new OtherHosts();
  services.use(reconciler.watchItems((key, item) => others.heed(key, item)));
  const answers = services.use(new ProbeAnswers({ vtep, udpPort: vxlanPort, isHost: (ip) => others.has(ip), log }));
  answers.heed(underlay.facts.vxlanIfindex);
  const dns = services.use(startDns({ resolvConf: options.resolvConf, reconciler, attachments, gateways, log }));
  const dhcp = services.use(startDhcp({ reconciler, attachments, gateways, underlay, log }));
  const metadata = services.use(startMetadata({ reconciler, attachments, gateways, thisHost: self, log }));
  /** This connection has brought the whole state: the controller knows this host. */
  let connected = false;
  /** The controller has said that it has this host no more. */
  let gone = false;
  const common = {
    attachments,
    reconciler,
    devices,
    log,
    client,
    thisHost: self,
    connected: () => connected,
  };
  const users = new NetworkUsers(stateDir);
  const book = new LeaseBook(stateDir, attachments.all);
  const uploads = services.use(new Uploads(common));
  const refusals = services.use(new Refusals(common));
  const segments = services.use(new Segments({ ...common, book, nl, maps }));
  const moves = services.use(new Moves(common));
  services.use(new Arrivals({ ...common, onArrival: moves.arrived }));
  const sharing = services.use(new Sharing({ ...common, segments }));
  const leases = services.use(new Leases({ ...common, book, users }));
  const local = { ...common, book, users, leases, uploads, allocation: new Allocation(book, leases) };
  gateways.outside.onProblem = (ports) => {
    for (const port of ports) reconciler.touchPort(port);
  };
  const { onLeft = () => undefined, integrations = () => Promise.resolve() } = options;
  const leave = new Leave({
    ...{ ...common, gone: () => gone, controller, users, gateways, nl, stateDir, netnsDir, integrations },
    bpfDir: options.bpfDir,
    services: () => services.disposeAsync(),
    onEnd: onLeft,
  });
  const attacher = new Attacher({ ...local, leaves: () => leave.begun });
  attacher.undoUnfinished();
  reconciler.pass();

  const cache = services.use(new CacheWriter(stateDir, reconciler));
  const counters = (ports: readonly PortId[]) =>
    Object.fromEntries(
      ports.flatMap((id) => (devices.all.has(id) ? [[id, maps.counters(devices.all.get(id)!.slot)]] : [])),
    );
  let lastLoss = '';
  const stream = services.use(
    new ControllerStream(controller, credentials, {
      hello: () => ({
        type: 'hello',
        protocol: PROTOCOL,
        name,
        vtep,
        mtuBytes: underlay.facts.underlayMtuBytes,
        version,
        kernel: release(),
      }),
      welcome(message) {
        log.info({ host: message.host, controller }, 'connected to the controller');
        lastLoss = '';
        metrics.streamed();
        connected = false;
        gone = false;
        teller.end();
        refusals.end();
        reconciler.welcome(message);
        if (message.host.name !== undefined) own?.renamed(message.host.name);
      },
      changes(message) {
        reconciler.changes(message);
        if (!message.synced || connected) return;
        connected = true;
        teller.begin();
        refusals.begin();
        uploads.retell();
        void moves.tell();
        sharing.tell();
        segments.tell();
        void uploads.tell().then(() => leases.tend());
      },
      renew: () => own?.renewNow(),
      ask: (question) => (question.name === 'health' ? observed.health() : counters(question.ports)),
      lost(err) {
        connected = false;
        gone = hasCode(err, 'HOST_GONE');
        teller.end();
        refusals.end();
        // Tried again every few seconds; what is said once is not said again.
        if (err.message !== lastLoss)
          log.warn({ problem: err.message, controller }, 'no stream to the controller; going on with what is known');
        lastLoss = err.message;
      },
    }),
  );
  const teller = services.use(
    new HostTeller({
      addresses: () => underlay.addresses,
      held: () => gateways.published.held,
      send: (word) => stream.tell(word),
      log,
    }),
  );
  // What it goes on with would end with the certificate that it was opened with.
  own?.onRenewed(() => stream.reopen());
  own?.begin(client);
  gateways.published.onChange = () => teller.heed();
  reconciler.onTold = () => leases.heed();
  let swept = false;
  reconciler.onPass = (report) => {
    // All devices run this agent's programs now: those of another layout are of no use any more.
    if (reconciler.synced && !swept) removeOtherPins(options.bpfDir, layoutHash);
    swept ||= reconciler.synced;
    stream.report(report);
    cache.touch();
    answers.heed(underlay.facts.vxlanIfindex);
  };
  services.use(new Upkeep({ reconciler, underlay, devices, gateways, stream, segments, teller, log }));
  const parts = { thisHost: self, version, controller, reconciler, underlay, maps, stream, book, uploads, dns, dhcp };
  const whole = { ...parts, own, metadata, moves, sharing, segments, gateways, attachments, startWarnings };
  const status = () => agentStatus(whole);
  const observed = observeAgent(metrics, whole, status);
  if (options.metricsListen !== undefined && own) {
    const { address } = open.use(await serveMetrics(options.metricsListen, observed, own, log));
    log.info({ address }, 'serving metrics');
  }
  const setting = () => ({
    name: self.name,
    ...{ vtep, vxlanPort, controller },
    ...{ stateDir: resolve(stateDir), bpfDir: resolve(bpfDir), resolvConf: resolve(resolvConf) },
    vteps: others.vteps,
    networks: settingNetworks(reconciler.state.networks.values()),
  });
  const tell = own && tellNotGiven(self);
  const told = { attachments, status, setting, observed, dns, refusals, ...(tell && { tell }) };
  open.use(await serveLocalApi(options.socket, { ...told, attacher, leave, group: options.socketGroup, log }));
  log.info({ name, vtep, socket: options.socket, layout: layoutHash }, 'agent ready');
  const workloads = new LocalWorkloads({ ...local, hostPorts: gateways.published });
  const ended = open.move();
  return {
    thisHost: self,
    client,
    workloads,
    refusals,
    async [Symbol.asyncDispose]() {
      await ended.disposeAsync();
      if (leave.begun) removeIfEmpty(dirname(options.socket));
    },
  };
}

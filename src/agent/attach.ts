import type { Client } from '../client/client.ts';
import { parseIp } from '../model/address.ts';
import { fromProblem, HeddleError, hasCode } from '../model/errors.ts';
import { portKey } from '../model/host-state.ts';
import { newId, type PortId } from '../model/ids.ts';
import type { Port, PortInput } from '../model/kinds.ts';
import {
  type Attached,
  type Attachment,
  type AttachmentDetails,
  type AttachRequest,
  type Detached,
  type LocalPort,
  type PlacedAttachment,
  placeOf,
} from '../model/local-api.ts';
import { briefingOf, parseBriefing } from '../model/metadata.ts';
import type { Allocation } from './allocation.ts';
import { type Difference, openSite, type Site } from './attach-site.ts';
import { attachmentDetails } from './attachment-details.ts';
import type { Attachments } from './attachments.ts';
import type { LeaseBook } from './lease-book.ts';
import { familiesOf, type Leases } from './leases.ts';
import { newLocalPort, shownPort } from './local-port.ts';
import { findNetwork, type NetworkUsers } from './network-users.ts';
import type { Reconciler } from './reconciler.ts';
import { isStandby, joinPort, refuseStandby, refuseThird } from './second-host.ts';
import { settled } from './settled.ts';
import type { ThisHost } from './this-host.ts';
import type { Uploads } from './uploads.ts';
import type { WorkloadDevices } from './workload-devices.ts';
import { deviceName } from './workload-end.ts';

/** What attaching works with. */
export interface AttacherParts {
  readonly client: Client;
  readonly attachments: Attachments;
  readonly reconciler: Reconciler;
  readonly devices: WorkloadDevices;
  readonly users: NetworkUsers;
  readonly leases: Leases;
  readonly book: LeaseBook;
  readonly allocation: Allocation;
  readonly uploads: Uploads;
  readonly thisHost: ThisHost;
  /** The controller's stream is open. */
  readonly connected: () => boolean;
  /** This host is leaving. */
  readonly leaves: () => boolean;
}

/**
 * Attach and detach of network namespaces, taps, NICs and the host itself. By default the port is made here: a record with an address of the lease on
 * disk, then the kernel, and the controller is told. Where the caller asks for a port, an address or a MAC, the controller
 * decides first: a record on disk, the port at the controller, the kernel. Undone in reverse.
 */
export class Attacher {
  readonly #parts: AttacherParts;
  readonly #client: Client;
  readonly #attachments: Attachments;
  readonly #reconciler: Reconciler;
  readonly #thisHost: ThisHost;

  constructor(parts: AttacherParts) {
    this.#parts = parts;
    this.#client = parts.client;
    this.#attachments = parts.attachments;
    this.#reconciler = parts.reconciler;
    this.#thisHost = parts.thisHost;
  }

  /**
   * Puts a workload on a network. Repeated with the same request it answers the same.
   * @param mostTaps so many taps the owner of a tap may have here, those that are going included
   * @throws NETNS_NOT_FOUND, HOST_ROUTE_TAKEN, IFNAME_INVALID, IFNAME_TAKEN, TAP_LIMIT, ATTACHMENT_CONFLICT, CONTROLLER_UNREACHABLE, WAIT_TIMEOUT, and what the controller refuses
   */
  async attach(request: AttachRequest, mostTaps = Number.POSITIVE_INFINITY): Promise<Attached> {
    this.#refuseIfLeaving();
    using site = openSite(request);
    await this.#parts.devices.leftOf(site.devices); // an interface that is going has its name still
    const before = this.#existing(request, site);
    if (before) return this.#repeat(before, request, site);
    if (isOfNobody(request) && !isStandby(request)) return await this.#attachLocal(request, site, mostTaps); // the place must be open until then
    await this.#finishDetaching(site);
    const found = await this.#findPort(request);
    this.#refuseIfLeaving();
    const meanwhile = this.#existing(request, site);
    if (meanwhile) return this.#repeat(meanwhile, request, site);
    // From here to the reservation nothing waits: two attaches to one place cannot choose the same name.
    this.#refuseMoreTaps(request, mostTaps);
    const id = (found?.id ?? newId<PortId>()) as PortId;
    const joins = isStandby(request) || (request.kind === 'device' && found !== undefined);
    const attachment = this.#besideOthers({
      ...this.#begun(id, request, site),
      owned: joins ? found!.ephemeral : !found,
    } as PlacedAttachment);
    using _asking = this.#asking(attachment.name, request);
    this.#reserve(attachment, site);
    try {
      const port = await this.#bind(attachment, request, found);
      if (this.#attachments.get(attachment.port)?.state !== 'attaching') throw detached(attachment);
      const up = await settled(this.#reconciler, attachment.port, this.#thisHost, port.revision);
      this.#attachments.put({ ...attachment, state: 'attached' });
      return { port, ...up, ifname: attachment.ifname };
    } catch (cause) {
      await this.#undo(attachment);
      throw cause;
    }
  }

  /** With an address of the lease; the controller is told meanwhile, if need be long afterwards. */
  async #attachLocal(request: AttachRequest, site: Site, mostTaps: number): Promise<Attached> {
    const { allocation, leases, users } = this.#parts;
    using _hold = users.hold(request);
    const network = await leases.ready(request);
    const taken = await allocation.any(network, familiesOf(network), (leased) => {
      // Nothing waits in here: neither an address nor an interface is chosen twice.
      this.#refuseIfLeaving();
      const meanwhile = this.#existing(request, site);
      if (meanwhile) return { meanwhile };
      this.#refuseMoreTaps(request, mostTaps);
      const attachment = {
        ...this.#begun(newId<PortId>() as PortId, request, site),
        owned: true,
        local: newLocalPort(network.id, leased, { labels: request.labels, ...parseBriefing(request) }),
      };
      this.#attachments.put(attachment);
      return { attachment };
    });
    void leases.tend();
    if (taken.meanwhile) return this.#repeat(taken.meanwhile, request, site);
    const { attachment } = taken;
    try {
      const told = this.#told(attachment.port);
      const up = await settled(this.#reconciler, attachment.port, this.#thisHost);
      await told;
      const now = this.#attachments.get(attachment.port);
      if (now?.state === 'attaching') this.#attachments.put({ ...now, state: 'attached' });
      return { port: this.#shown(attachment), ...up, ifname: attachment.ifname };
    } catch (cause) {
      await this.#undo(attachment);
      throw cause;
    }
  }

  /** Asked again after each wait: a leave detaches what has a record, once. @throws HOST_LEAVES */
  #refuseIfLeaving(): void {
    if (this.#parts.leaves()) throw new HeddleError('HOST_LEAVES', { host: this.#thisHost.name });
  }

  /** @throws TAP_LIMIT */
  #refuseMoreTaps(request: AttachRequest, most: number): void {
    if (request.kind !== 'tap' || request.owner === undefined) return;
    const { owner } = request;
    const has = this.#attachments.all().filter((a) => a.kind === 'tap' && a.uid === owner).length;
    if (has >= most) throw new HeddleError('TAP_LIMIT', { user: owner, limit: most });
  }

  /** A NIC was as its first segment found it. */
  #besideOthers(attachment: PlacedAttachment): PlacedAttachment {
    if (attachment.kind !== 'device') return attachment;
    const first = this.#attachments
      .all()
      .find(
        (a) =>
          a.kind === 'device' &&
          a.ifname === attachment.ifname &&
          (a.state !== 'detaching' || this.#parts.devices.all.has(a.port)),
      );
    return first?.kind === 'device' ? { ...attachment, before: first.before } : attachment;
  }

  /** What a new record says in any case. */
  #begun(id: PortId, { tenant, network, port }: AttachRequest, site: Site) {
    const own = site.own(id, new Set(this.#at(site).map(({ ifname }) => ifname)));
    const name = port ?? site.portName(this.#thisHost.name, own.ifname).slice(0, 63);
    return { ...own, port: id, tenant, network, name, state: 'attaching' as const };
  }

  /** Resolves when the controller was told of what is done here with a port, or does not answer soon. */
  #told(port: PortId): Promise<void> {
    const { uploads, leases } = this.#parts;
    void uploads.tell().then(() => leases.tend());
    return uploads.tellSoon(port);
  }

  /** The port of a record that was made here, as the controller shows or will show it. @throws what the controller refused it with, DETACHED */
  #shown({ port: id, tenant }: Attachment): Port {
    const now = this.#attachments.get(id);
    if (!now?.local || now.state === 'detaching') throw new HeddleError('DETACHED', { port: now?.name ?? id });
    if (now.local.refused) throw fromProblem(now.local.refused);
    const device = deviceName(id);
    return shownPort(now as typeof now & { local: LocalPort }, {
      tenant: this.#parts.book.tenant(now.local.network) ?? tenant,
      host: this.#reconciler.host?.id,
      device,
    });
  }

  /**
   * Takes a workload off: at once in the kernel; at the controller as soon as it answers.
   * Returns whether the controller knows already. Repeatable.
   */
  async detach(port: PortId): Promise<Detached> {
    const attachment = this.#attachments.get(port);
    if (attachment?.kind === 'pair')
      throw new HeddleError('USAGE', {
        problem: `port ${attachment.name} is of ${attachment.owner}: stop that instead`,
      });
    return { released: !attachment || (await this.#undo(attachment)) };
  }

  /** Also undoes what the record does not know (any more): a port made by a request that another's detach overtook. */
  async #undo(attachment: Attachment): Promise<boolean> {
    const { port } = attachment;
    // What came to the record meanwhile stays: an address that was refused is not ours to give.
    const now = this.#attachments.get(port) ?? attachment;
    this.#attachments.put({ ...(this.#mayStayElsewhere(now) ? withoutLeased(now) : now), state: 'detaching' });
    this.#reconciler.abandon(port, detached(attachment));
    this.#reconciler.touchPort(port);
    this.#reconciler.pass();
    await Promise.all([this.#told(port), this.#parts.devices.left(port)]);
    return this.#attachments.get(port) === undefined;
  }

  /** Another host has the port, or has it too, with its addresses; a tap's may by now, as long as no controller says. */
  #mayStayElsewhere({ port, kind, local }: Attachment): boolean {
    if (kind === 'tap' && local?.confirmed !== undefined && !this.#parts.connected()) return true;
    const { host, state } = this.#reconciler;
    const told = state.told.get(portKey(port));
    return told?.kind === 'port' && (told.standby !== undefined || told.host !== host?.number);
  }

  /** At start: undoes what was cut off in the middle. */
  undoUnfinished(): void {
    for (const attachment of this.#attachments.all())
      if (attachment.state === 'attaching') this.#attachments.put({ ...attachment, state: 'detaching' });
      else if (attachment.kind === 'pair' && attachment.plug?.state === 'making') {
        const { plug: _, ...unplugged } = attachment;
        this.#attachments.put(unplugged);
      }
  }

  /** What the workload of an attachment must know. @throws NOT_FOUND */
  details = (name: string, tenant?: string): AttachmentDetails =>
    attachmentDetails(this.#reconciler, this.find(name, tenant));

  /** The attachment named by id or port name. @throws NOT_FOUND */
  find(name: string, tenant?: string): Attachment {
    const match = this.#attachments
      .all()
      .filter((a) => (a.port === name || a.name === name) && (tenant === undefined || a.tenant === tenant));
    if (match.length === 1) return match[0]!;
    if (match.length > 1)
      throw new HeddleError('USAGE', { problem: `several tenants have a port ${name} here: say which` });
    throw new HeddleError('NOT_FOUND', { kind: 'attachment of port', name });
  }

  /** What is to stay there. */
  #at(site: Site): PlacedAttachment[] {
    return this.#attachments.all().filter((a): a is PlacedAttachment => a.state !== 'detaching' && site.has(a));
  }

  #existing(request: AttachRequest, site: Site): PlacedAttachment | undefined {
    const here = this.#at(site);
    if (request.ifname !== undefined) return here.find((a) => a.ifname === request.ifname);
    if (request.port !== undefined)
      return here.find((a) => a.tenant === request.tenant && (a.name === request.port || a.port === request.port));
    if (!site.oneEach) return undefined;
    return here.find((a) => a.tenant === request.tenant && a.network === request.network);
  }

  async #repeat(existing: PlacedAttachment, request: AttachRequest, site: Site): Promise<Attached> {
    const differs = difference(existing, request) ?? site.differs(existing);
    if (differs) {
      const { field, have, want } = differs;
      throw new HeddleError('ATTACHMENT_CONFLICT', {
        port: existing.name,
        have: `${existing.ifname} ${field === 'network' ? 'on' : 'with'} ${field} ${have}`,
        want: `${field} ${want}`,
      });
    }
    const { port: id, tenant, ifname, local } = existing;
    const found = local ? undefined : await this.#client.get('port', id, { tenant });
    const up = await settled(this.#reconciler, id, this.#thisHost, found?.revision);
    if (local) await this.#told(id);
    return { port: found ?? this.#shown(existing), ...up, ifname };
  }

  /** The port that the request names, if it exists: then it says itself what it is. @throws INVALID if the request says otherwise */
  async #findPort(request: AttachRequest): Promise<Port | undefined> {
    const { tenant, port, network, addresses, mac, labels } = request;
    const joins = isStandby(request);
    if (port === undefined && joins)
      throw new HeddleError('INVALID', { field: 'port', problem: 'say which port is to come to this host' });
    if (port === undefined) return undefined;
    const asked = this.#client.get('port', port, { tenant });
    const found = await (joins ? asked : asked.catch(absent));
    if (!found) return undefined;
    const self = this.#reconciler.host?.id;
    if (joins) refuseStandby(found, self);
    if (request.kind === 'device') refuseThird(found, self);
    if (addresses || mac || labels || Object.keys(briefingOf(request)).length > 0)
      throw new HeddleError('INVALID', {
        field: 'port',
        problem: `port ${port} exists, with its own addresses, MAC, labels, user data and keys: leave them out`,
      });
    if ((await this.#client.get('network', network, { tenant })).id !== found.network)
      throw new HeddleError('INVALID', {
        field: 'network',
        problem: `port ${port} is on another network than ${network}`,
      });
    return found;
  }

  /** Keeps the addresses that are asked for from other workloads of this host. @throws ADDRESS_TAKEN, ADDRESS_INVALID */
  #asking(owner: string, request: AttachRequest): Disposable | undefined {
    const network = findNetwork(this.#reconciler.state, request);
    return network && this.#parts.book.asking(owner, network.id, (request.addresses ?? []).map(parseIp));
  }

  /** Remembers the intent, unless the port hangs on something already. */
  #reserve(attachment: PlacedAttachment, site: Site): void {
    const have = this.#attachments.get(attachment.port);
    if (have)
      throw new HeddleError('ATTACHMENT_CONFLICT', {
        port: have.name,
        have: 'ifname' in have ? `${placeOf(have)} ${have.ifname}` : placeOf(have),
        want: site.text,
      });
    this.#attachments.put(attachment);
  }

  #bind(attachment: PlacedAttachment, request: AttachRequest, found: Port | undefined): Promise<Port> {
    const isElsewhere = found?.host !== undefined && found.host !== this.#reconciler.host?.id;
    if (found && (isStandby(request) || (request.kind === 'device' && isElsewhere)))
      return joinPort(this.#client, found, { tenant: attachment.tenant, self: this.#thisHost.ref });
    const { port, name, tenant } = attachment;
    const { network, addresses, mac, labels } = request;
    const segment = request.kind === 'device' && { segment: segmentOf(request) };
    if (found) {
      const changed = segment && Object.keys(segment.segment).length > 0 && segment;
      return this.#client.update('port', port, { host: this.#thisHost.ref, ...changed }, { tenant });
    }
    const body: PortInput = {
      id: port,
      name,
      network,
      host: this.#thisHost.ref,
      ephemeral: true,
      ...segment,
      ...(addresses && { addresses }),
      ...(mac && { mac }),
      ...(labels && { labels }),
      ...briefingOf(request),
    };
    return this.#client.create('port', body, { tenant });
  }

  /** What hung there before, and the controller could not be told of, would keep the port's name. */
  async #finishDetaching(site: Site): Promise<void> {
    if (this.#attachments.all().some((a) => a.state === 'detaching' && site.had(a))) await this.#parts.uploads.tell();
  }
}

/** What of every kind the attachment has otherwise than the request asks for. */
function difference(have: PlacedAttachment, want: AttachRequest): Difference | undefined {
  for (const field of ['tenant', 'network'] as const)
    if (have[field] !== want[field]) return { field, have: have[field], want: want[field] };
  if (want.port === undefined || want.port === have.name || want.port === have.port) return undefined;
  return { field: 'port', have: have.name, want: want.port };
}

/** Any port will do that this host makes. */
const isOfNobody = ({ kind, port, addresses, mac }: AttachRequest): boolean =>
  kind !== 'device' && port === undefined && addresses === undefined && mac === undefined;

/** What it says of the segment. */
const segmentOf = ({ learn, ageSeconds }: Extract<AttachRequest, { kind: 'device' }>) => ({
  ...(learn !== undefined && { learn }),
  ...(ageSeconds !== undefined && { ageSeconds }),
});

const detached = ({ name }: Attachment): HeddleError<'DETACHED'> => new HeddleError('DETACHED', { port: name });

/** Its addresses do not come back to this host. */
const withoutLeased = (attachment: Attachment): Attachment =>
  attachment.local ? ({ ...attachment, local: { ...attachment.local, leased: [] } } as Attachment) : attachment;

/** No port of that name is an answer; no tenant of that name is an error. */
function absent(e: unknown): undefined {
  if (!hasCode(e, 'NOT_FOUND') || e.details.kind !== 'port') throw e;
}

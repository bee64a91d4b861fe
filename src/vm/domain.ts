/** Which ports a libvirt domain wants: read from its XML, as libvirt hands it to hooks. */
import { DOMParser, type Element, onErrorStopParsing } from '@xmldom/xmldom';
import { HeddleError } from '../model/errors.ts';

/** The XML namespace of Heddle's elements below `<metadata>`. */
const metadataNamespace = 'urn:heddle:libvirt';

/** One `<heddle:port>` of a domain, with what its interface says. */
export interface DomainPort {
  /** The tap: name of the interface's target. */
  readonly tap: string;
  readonly tenant: string;
  readonly network: string;
  /** Name of the port. */
  readonly port: string;
  readonly address: readonly string[];
  /** The guest's MAC; libvirt chooses one when the domain is defined. */
  readonly mac: string;
  readonly queues: number;
}

/** The ports that a domain names, in its order; none if it names none. @throws INVALID */
export function parseDomain(xml: string): DomainPort[] {
  const document = parseXml(xml);
  const domain = document.getElementsByTagName('name')[0]?.textContent ?? '';
  const taps = new Map<string, Element>();
  for (const nic of document.getElementsByTagName('interface'))
    if (nic.getAttribute('type') === 'ethernet') taps.set(attribute(nic, 'target', 'dev') ?? '', nic);
  const ports = [...document.getElementsByTagNameNS(metadataNamespace, 'port')].map((port): DomainPort => {
    const tap = required(port, 'tap');
    const nic = taps.get(tap);
    if (!nic)
      throw invalid('tap', `the domain has no <interface type='ethernet'> with <target dev='${tap}' managed='no'/>`);
    if (attribute(nic, 'target', 'managed') !== 'no')
      throw invalid('tap', `libvirt would make ${tap} itself: give the interface <target dev='${tap}' managed='no'/>`);
    return {
      tap,
      tenant: required(port, 'tenant'),
      network: required(port, 'network'),
      port: port.getAttribute('name') ?? domain,
      address: (port.getAttribute('address') ?? '').split(/[\s,]+/).filter(Boolean),
      mac: (attribute(nic, 'mac', 'address') ?? '').toLowerCase(),
      queues: Number(attribute(nic, 'driver', 'queues') ?? 1),
    };
  });
  for (const key of ['tap', 'port'] as const) {
    const twice = ports.find((a, at) => ports.some((b, other) => other < at && a[key] === b[key]));
    if (twice) throw invalid(key === 'port' ? 'name' : key, `two ports have ${twice[key]}`);
  }
  return ports;
}

function parseXml(xml: string) {
  try {
    return new DOMParser({ onError: onErrorStopParsing }).parseFromString(xml, 'text/xml');
  } catch (cause) {
    throw new HeddleError('INVALID', { field: 'domain', problem: (cause as Error).message }, cause);
  }
}

/** An attribute of a child element. */
const attribute = (of: Element, child: string, name: string): string | undefined =>
  of.getElementsByTagName(child)[0]?.getAttribute(name) ?? undefined;

function required(port: Element, name: string): string {
  const value = port.getAttribute(name);
  if (!value) throw invalid(name, `<port> needs the attribute ${name}`);
  return value;
}

const invalid = (field: string, problem: string): HeddleError =>
  new HeddleError('INVALID', { field: `metadata.port.${field}`, problem });

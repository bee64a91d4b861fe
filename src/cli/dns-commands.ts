/** `heddle dns`: the names of workloads as the controller knows them, and what this host's agent answers to a name. */
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { reverseNameOf } from '../agent/dns/reverse.ts';
import { ipFamily, parseIp } from '../model/address.ts';
import { type DnsLookup, type DnsLookupQuery, lookupTypes } from '../model/dns-lookup.ts';
import { HeddleError } from '../model/errors.ts';
import type { Port } from '../model/kinds.ts';
import { agentRequest } from './agent-request.ts';
import { controllerClient, makeCommand, printJson, requireTenant, type Typed, withShared } from './command.ts';
import type { Io } from './io.ts';
import { referredNames } from './show.ts';
import { table } from './table.ts';

export function dnsCommand(io: Io): Command {
  return makeCommand('dns', 'Names of workloads; alone, their list', [
    'heddle dns list --tenant acme --network web',
    'heddle dns query db1 --tenant acme --network web',
  ])
    .addCommand(listCommand(io), { isDefault: true })
    .addCommand(queryCommand(io));
}

/** One address under one name. */
interface RecordRow {
  readonly name: string;
  readonly network: string;
  readonly type: 'A' | 'AAAA';
  readonly address: string;
  readonly port: string;
  readonly host: string;
}

function listCommand(io: Io): Command {
  const command = makeCommand(
    'list',
    'List the names of bound ports and their addresses, as the controller knows them',
    ['heddle dns list --tenant acme', 'heddle dns list --tenant acme --network web --json'],
  ).option('--network <name>', 'only this network, by name or id');
  type List = Typed & { network?: string };
  return withShared(command, 'tenant', 'controller', 'json').action(async (typed: List) => {
    const tenant = requireTenant(typed);
    const client = controllerClient(typed);
    const { network } = typed;
    const ports = await client.list('port', { tenant, ...(network !== undefined && { network }) });
    const names = await referredNames(client, 'port', tenant, ports);
    const items = ports.flatMap((port) => recordsOf(port, (id) => names.get(id) ?? id));
    if (typed.json) return printJson(io, { items });
    if (items.length === 0) return io.err('no bound port, and so no name\n');
    const rows = items.map((r) => [r.name, r.network, r.type, r.address, r.port, r.host]);
    io.out(table(['name', 'network', 'type', 'address', 'port', 'host'], rows));
  });
}

/** A port's records; one that is on no host has none. */
function recordsOf(port: Port, nameOf: (id: string) => string): RecordRow[] {
  const { host } = port;
  if (host === undefined) return [];
  return [port.name, ...port.dnsNames].flatMap((name) =>
    port.addresses.map(
      (address): RecordRow => ({
        name: name.toLowerCase(),
        network: nameOf(port.network),
        type: ipFamily(address) === 4 ? 'A' : 'AAAA',
        address,
        port: port.name,
        host: nameOf(host),
      }),
    ),
  );
}

function queryCommand(io: Io): Command {
  const command = makeCommand('query', 'Ask this host’s agent what it answers to a workload of a network', [
    'heddle dns query db1 --tenant acme --network web',
    'heddle dns query db1.web.acme.heddle.internal --tenant acme --network web --type AAAA',
    'heddle dns query 10.0.0.7 --tenant acme --network web --json',
  ])
    .argument('<name>', 'a name, or an address for the name that it has')
    .requiredOption('--network <name>', 'the network that the workload would be on, by name or id')
    .option('--type <type>', `${lookupTypes.join(', ')} (default: A; of an address, PTR)`);
  type Query = Typed & { network: string; type?: string };
  return withShared(command, 'tenant', 'agent', 'json').action(async (name: string, typed: Query) => {
    const query: DnsLookupQuery = {
      tenant: requireTenant(typed),
      network: typed.network,
      name: isIP(name) ? reverseNameOf(parseIp(name)) : name,
      type: lookupType(typed.type ?? (isIP(name) ? 'PTR' : 'A')),
    };
    const answer = await agentRequest<DnsLookup>(typed, 'GET', '/v1/dns', { query });
    // Nobody could be asked: a script shall notice.
    if (answer.rcode === 'SERVFAIL') process.exitCode = 3;
    if (typed.json) return printJson(io, answer);
    if (answer.answers.length > 0)
      io.out(
        table(
          ['name', 'type', 'ttl', 'data'],
          answer.answers.map((a) => [a.name, a.type, String(a.ttl), a.data]),
        ),
      );
    io.err(`${outcome(answer)}\n`);
  });
}

const outcome = ({ rcode, from, resolver, answers }: DnsLookup): string => {
  const what = rcode === 'NOERROR' && answers.length === 0 ? 'NOERROR, no record of this type' : rcode;
  const whose = from === 'network' ? 'the network’s own names' : `resolver ${resolver ?? '(none answered)'}`;
  return `${what}, from ${whose}`;
};

/** @throws USAGE */
function lookupType(text: string): DnsLookupQuery['type'] {
  const type = lookupTypes.find((t) => t === text.toUpperCase());
  if (!type) throw new HeddleError('USAGE', { problem: `no type ${text}; there is ${lookupTypes.join(', ')}` });
  return type;
}

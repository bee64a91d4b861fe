/** What a container's port is called, by what its engine says of it. Pure. */
import { Check } from '#typebox';
import type { WorkloadPort } from '../agent/workloads.ts';
import { limits } from '../model/fields.ts';
import { isUuid, namePattern } from '../model/ids.ts';
import { kinds } from '../model/kinds.ts';
import type { EngineContainer } from './engine-api.ts';

/** What names say of a port. */
export type PortNames = Pick<WorkloadPort, 'name' | 'dnsNames' | 'labels'>;

/** Holds the name that was asked for: of one that is taken, the port's has something appended. */
export const wantedNameLabel = 'docker.name';

/** Docker's own abbreviation of an id. */
const shortId = (id: string): string => id.slice(0, 12);

/**
 * The names and labels of the port that a container has on a network.
 * @param network the network's name at the engine
 */
export function portNames(container: EngineContainer, network: string, engine: string): PortNames {
  const name = container.Name.replace(/^\//, '');
  const { Labels, Hostname, Image } = container.Config;
  const labels = Labels ?? {};
  const service = labels['com.docker.compose.service'];
  const project = labels['com.docker.compose.project'];
  const swarm = labels['com.docker.swarm.service.name'];
  const all = [
    name,
    ...(container.NetworkSettings.Networks?.[network]?.Aliases ?? []),
    shortId(container.Id),
    Hostname,
    ...(service ? [service, ...(project ? [`${service}.${project}`] : [])] : []),
    ...(swarm ? [swarm, `tasks.${swarm}`] : []),
  ];
  const { dnsNames } = kinds.port.input.properties;
  const fit = [...new Set(all)].filter((n) => Check(dnsNames!, [n])).slice(0, limits.dnsNamesPerPort);
  const portName = asName(name) ?? shortId(container.Id);
  const own = {
    'docker.container': container.Id,
    'docker.engine': engine,
    'docker.image': Image,
    [wantedNameLabel]: portName,
  };
  return { name: portName, dnsNames: fit, labels: { ...fitting(labels), ...fitting(own) } };
}

/** A name of Docker's as one of ours; undefined if nothing of it can be used. */
export function asName(text: string): string | undefined {
  const name = text
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63);
  return new RegExp(namePattern).test(name) && !isUuid(name) ? name : undefined;
}

/** Places for the labels that say where the port comes from. */
const ownLabels = 4;

/** Those labels that are within our limits; of too many, the first by the alphabet. */
function fitting(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels)
      .filter(([key, value]) => key !== '' && key.length <= limits.labelChars && value.length <= limits.labelChars)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limits.labels - ownLabels),
  );
}

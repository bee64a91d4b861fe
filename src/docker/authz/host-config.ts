/** What a tenant's container may be given of its host: nothing by which it would get round the networks of its tenant. Pure. */
import { asFields } from './body.ts';
import { isEmpty, type Known, listOf, oneOf, type Rule, requireKnown } from './struct.ts';

/** Those that containers have anyway. With CAP_NET_ADMIN one changes the host's links, by way of the pair's other end. */
const capabilities = new Set(
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'.split(
    ' ',
  ),
);
const capability = listOf((name) =>
  capabilities.has(name.toUpperCase().replace(/^CAP_/, '')) ? undefined : `${name.slice(0, 40)} may not be added`,
);

const onlyVolumes = 'may only name volumes: directories of the host are not to be had';
const bind = listOf((text) =>
  /^[A-Za-z0-9][\w.-]*:\/[^:]*(:[\w,]*)?$/.test(text) || /^\/[^:]*$/.test(text) ? undefined : onlyVolumes,
);

/** An object in the object. */
const inner =
  (known: Known, field: string): Rule =>
  (value) => {
    if (!isEmpty(value)) requireKnown(asFields(value, field), known, `HostConfig.${field}.`);
    return undefined;
  };
const volume: Known = { NoCopy: true, Labels: true, Subpath: true };
const mount: Known = {
  ...{ Source: true, Target: true, ReadOnly: true, Consistency: true, TmpfsOptions: true },
  Type: oneOf('volume', 'tmpfs'),
  VolumeOptions: inner(volume, 'VolumeOptions'),
};
const mounts: Rule = (value) => {
  if (isEmpty(value)) return undefined;
  if (!Array.isArray(value)) return 'must be a list';
  for (const one of value) requireKnown(asFields(one, 'Mounts'), mount, 'HostConfig.Mounts.');
  // Without a type it is whatever the engine takes it for.
  return value.every((one: { Type?: unknown }) => one.Type) ? undefined : onlyVolumes;
};

const log: Known = { Type: oneOf('json-file', 'local', 'journald', 'none'), Config: true };

/** What Linux shows and hides in /proc and /sys: a list of one's own, also an empty one, shows what is hidden. */
const asItIs: Rule = (value) => (value === null || value === undefined ? undefined : 'may not be changed');
const isThere: Rule = (value) => (Array.isArray(value) && value.length > 0 ? undefined : 'is open');

const any = (...names: readonly string[]): Known => Object.fromEntries(names.map((name) => [name, true]));
const common: Known = {
  ...any('NetworkMode', 'PortBindings', 'PublishAllPorts', 'Dns', 'DnsOptions', 'DnsSearch', 'ExtraHosts', 'Sysctls'),
  ...any('RestartPolicy', 'AutoRemove', 'ConsoleSize', 'ContainerIDFile', 'Init', 'GroupAdd', 'CapDrop'),
  ...any('ReadonlyRootfs', 'Tmpfs', 'ShmSize', 'StorageOpt', 'CgroupnsMode'),
  ...any('CpuShares', 'Memory', 'NanoCpus', 'BlkioWeight', 'CpuPeriod', 'CpuQuota', 'CpuRealtimePeriod'),
  ...any('CpuRealtimeRuntime', 'CpusetCpus', 'CpusetMems', 'KernelMemory', 'KernelMemoryTCP', 'MemoryReservation'),
  ...any('MemorySwap', 'MemorySwappiness', 'OomKillDisable', 'PidsLimit', 'Ulimits', 'CpuCount', 'CpuPercent'),
  Isolation: oneOf('default'),
  Runtime: oneOf('runc', 'io.containerd.runc.v2'),
  IpcMode: oneOf('private', 'shareable', 'none'),
  VolumeDriver: oneOf('local'),
  SecurityOpt: listOf((text) =>
    /^no-new-privileges([:=]true)?$/.test(text) ? undefined : `${text.slice(0, 40)} may not be set`,
  ),
  LogConfig: inner(log, 'LogConfig'),
  CapAdd: capability,
  Binds: bind,
  Mounts: mounts,
};
const asked: Known = { ...common, MaskedPaths: asItIs, ReadonlyPaths: asItIs };
/** Log and runtime may be the engine's default, and are nothing that whoever is in the container has. */
const found: Known = { ...common, LogConfig: true, Runtime: true, MaskedPaths: isThere, ReadonlyPaths: isThere };

/**
 * @param value a container's HostConfig: as a user asks for it, or as the engine shows it
 * @throws INVALID naming the field
 */
export function requireTame(value: unknown, as: 'asked' | 'found'): void {
  requireKnown(asFields(value, 'HostConfig'), as === 'asked' ? asked : found, 'HostConfig.');
}

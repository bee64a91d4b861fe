/** What an engine sees of the machine's file system: the machine's, but nothing that it writes of itself reaches it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { must } from './run.ts';

// An engine writes to /run/docker, /etc/docker and /opt/containerd whatever it is told. In a mount namespace of its own
// these are a tmpfs and overlays on it; a /run of its own also hides a containerd of the machine's, which it would use.
// The mounts outlast the engine, as a machine's do: an engine that starts again finds its containers' shims by sockets in
// /run. That /run hides others' network namespaces does not keep them: who removes one unlinks its mount point, and the
// kernel then detaches it everywhere.
// -n: there is no place yet where mount could note what it does.
const script = `
dir=$1 plugins=$2 run=$dir/run
mount -n -t tmpfs tmpfs "$run"
mkdir -p "$run/docker/plugins" "$run/mount"
mount -n --bind "$plugins" "$run/docker/plugins"
case $dir in /run/*) mkdir -p "$run\${dir#/run}"; mount -n --bind "$dir" "$run\${dir#/run}" ;; esac
for d in etc opt; do
  mkdir -p "$run/over/$d" "$run/over/$d.work"
  mount -n -t overlay overlay -o "lowerdir=/$d,upperdir=$run/over/$d,workdir=$run/over/$d.work" "/$d"
done
mkdir "$dir/upper" "$dir/work" "$dir/merged"
driver=vfs
if mount -n -t overlay overlay -o "lowerdir=/opt,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged" 2>/dev/null; then
  umount -n "$dir/merged"
  driver=overlay2
fi
rm -rf "$dir/upper" "$dir/work" "$dir/merged"
mount -n --move "$run" /run
echo $driver >"$dir/storage-driver"`;

/**
 * Makes the mount namespace of the engine with this folder, if it is not there; it stays until `<dir>/mnt` is unmounted.
 * @returns the path of the mount namespace, and the storage driver that works on the folder's file system
 * @throws LAB_FAILED
 */
export async function makeEngineMounts(
  dir: string,
  plugins?: string,
): Promise<{ mount: string; storageDriver: string }> {
  const mount = `${dir}/mnt/namespace`;
  const note = `${dir}/storage-driver`;
  if (!existsSync(note)) {
    for (const folder of ['mnt', 'run', 'plugins']) mkdirSync(`${dir}/${folder}`, { recursive: true });
    // A mount namespace can be kept by a mount only where mounts do not propagate.
    await must(['mount', '-n', '--bind', `${dir}/mnt`, `${dir}/mnt`]);
    await must(['mount', '-n', '--make-private', `${dir}/mnt`]);
    writeFileSync(mount, '');
    const argv = ['unshare', `--mount=${mount}`, '--propagation', 'private', 'sh', '-eu', '-c', script, 'sh'];
    await must([...argv, dir, plugins ?? `${dir}/plugins`]);
  }
  return { mount, storageDriver: readFileSync(note, 'utf8').trim() };
}

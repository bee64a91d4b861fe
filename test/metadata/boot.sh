# Boots cloud-init on a copy of this machine's files that is gone afterwards: boot.sh DIR PACKAGE PLATFORM CONFIG STAGE
# In namespaces of its own for mounts, host name and processes; the network is the caller's. Prints what came of it.
#   DIR       an empty folder     PACKAGE  cloud-init's files, unpacked
#   PLATFORM  "ec2": the machine says that it is one of Amazon's; anything else: says nothing
#   CONFIG    a file of /etc/cloud/cloud.cfg.d     STAGE  one to run first, or nothing
set -eu
dir=$1 package=$2 platform=$3 config=$4 first=$5
mount -t tmpfs none "$dir"
root=$dir/root
mkdir "$dir/upper" "$dir/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" none "$root"
for place in run tmp sys dev; do mount -t tmpfs none "$root/$place"; done
mount -t proc none "$root/proc"
for device in null zero random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/run/sys"
mount -t sysfs none "$root/run/sys"
for entry in "$root"/run/sys/*; do ln -s "/run/sys/${entry##*/}" "$root/sys/"; done
rm -f "$root/sys/hypervisor"
if [ "$platform" = ec2 ]; then
  mkdir "$root/sys/hypervisor"
  echo ec2e1916-9099-7caf-fd21-012345abcdef >"$root/sys/hypervisor/uuid"
fi
cp -a "$package/." "$root/"
printf '%s\n' "$config" >"$root/etc/cloud/cloud.cfg.d/99-test.cfg"
for stage in "$first" init 'modules --mode=config' 'modules --mode=final'; do
  [ -n "$stage" ] || continue
  # shellcheck disable=SC2086 # words
  chroot "$root" cloud-init $stage >>"$dir/said" 2>&1 || { cat "$dir/said" "$root/var/log/cloud-init.log" >&2; exit 1; }
done
for file in /run/cloud-init/instance-data.json /run/cloud-init/result.json /etc/hostname /root/.ssh/authorized_keys \
  /etc/written /etc/ran /var/log/cloud-init.log; do
  echo "==> $file"
  [ ! -e "$root$file" ] || cat "$root$file"
done

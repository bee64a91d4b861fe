#!/bin/sh
# Boots a machine of machines.ts: machine.sh name folder [program layers]..., as the first process of namespaces of its own.
# It says its number in the namespace of whoever started it, and becomes systemd. What is mounted here goes with it.
set -eu
# Units that look after a machine's hardware, or that somebody logs in there.
idle="
  systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service
  systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer systemd-logind.service
  systemd-user-sessions.service getty.target dbus.service dbus.socket systemd-modules-load.service systemd-sysctl.service
  systemd-binfmt.service kmod-static-nodes.service systemd-random-seed.service systemd-firstboot.service
  proc-sys-fs-binfmt_misc.automount systemd-update-utmp.service systemd-update-utmp-runlevel.service dev-hugepages.mount
  dev-mqueue.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount
"
name=$1 dir=$2
shift 2
read -r pid _ </proc/self/stat
mount --make-rprivate /
mount -n -t tmpfs tmpfs "$dir"
over() {
  mkdir -p "$dir/over/$1" "$dir/aside/$1" "$3"
  mount -n -t overlay overlay -o "lowerdir=$2,upperdir=$dir/over/$1,workdir=$dir/aside/$1" "$3"
}
over root / "$dir/root"
cd "$dir/root"
while [ $# -gt 0 ]; do
  over "${1##*/}" "$2" "$dir/root$1"
  shift 2
done
rm -rf var/lib/heddle
for each in run etc/systemd/system var/log/journal dev; do
  mkdir -p $each
  mount -n -t tmpfs tmpfs $each
done
mount -n -t proc proc proc
# What is there besides the network's is the real machine's, and systemd writes some of it (fs.file-max).
mount -n --bind proc/sys proc/sys
mount -n --bind proc/sys/net proc/sys/net
mount -n -o remount,bind,ro proc/sys
mount -n -t sysfs sysfs sys
mount -n -t cgroup2 cgroup2 sys/fs/cgroup
mount -n -t bpf bpf sys/fs/bpf
mkdir dev/net dev/pts dev/shm
for each in null zero full random urandom tty net/tun; do
  [ -e /dev/$each ] || continue
  touch dev/$each
  mount -n --bind /dev/$each dev/$each
done
mount -n -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for each in $idle; do ln -s /dev/null etc/systemd/system/$each; done
echo "$name" >etc/hostname
: >etc/machine-id
: >etc/fstab
rm -f etc/resolv.conf
: >etc/resolv.conf
hostname "$name"
mkdir -p mnt/old
pivot_root . mnt/old
umount -l /mnt/old
echo "$pid"
exec env -i container=heddle-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target --show-status=0 </dev/null >/dev/null 2>&1

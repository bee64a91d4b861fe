#!/bin/busybox sh
# Second program of the guest, on the real root: mounts what a Linux machine has, runs the command, and reports its output
# and exit code through the virtio port. It stays process 1, so it also reaps what the command leaves behind.
. /run/job/environment
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm /run/netns /lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -o bind "$KERNEL_MODULES" /lib/modules
# The kernel loads modules on demand through this program; the host need not have kmod.
[ -x /sbin/modprobe ] || ln -s /bin/busybox /sbin/modprobe
# Nobody can open /dev/net/tun before it is there, and it comes with its module.
modprobe tun
hostname heddle-vm
ip link set lo up
exec 3>"/dev/$(basename /sys/class/virtio-ports/vport*)"
/bin/sh /run/job/command </dev/null >&3 2>&1
printf '\n%s %s\n' "$END_MARK" "$?" >&3
exec 3>&-
busybox poweroff -f

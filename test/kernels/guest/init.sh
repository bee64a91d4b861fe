#!/bin/busybox sh
# First program of the guest, from the initramfs: makes the host's root file system, read-only over 9p with a tmpfs on
# top, the root, and goes on there with start.sh. A failure ends the machine, for a panic is what the host sees.
set -eu
/bin/busybox mkdir -p /proc /sys /dev /host /top /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000,access=any host /host
mount -t tmpfs -o mode=755 top /top
mkdir /top/changes /top/work
mount -t overlay -o lowerdir=/host,upperdir=/top/changes,workdir=/top/work root /root
mkdir -p /root/run
mount -t tmpfs -o mode=755 run /root/run
cp -r /job /root/run/job
mount --move /proc /root/proc
mount --move /dev /root/dev
exec switch_root /root /run/job/start.sh

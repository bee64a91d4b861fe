#!/bin/sh
# root.sh <folder> <folder of the host's agent>: makes a mount namespace in which libvirtd can run as on a server of its own:
# nothing that it writes below /etc, /run and /var reaches the machine, and the agent's socket is where hooks look for it.
# It lasts as long as standard input is open. Heddle's hook and its settings are put where an administrator would put them.
set -eu
dir=$1
mkdir "$dir"
mount -n -t tmpfs tmpfs "$dir"
for d in etc var; do
  mkdir -p "$dir/upper/$d" "$dir/scratch/$d"
  mount -n -t overlay overlay -o "lowerdir=/$d,upperdir=$dir/upper/$d,workdir=$dir/scratch/$d" "/$d"
done
mkdir -p "$dir/run/heddle" "$dir/run/libvirt"
mount -n --bind "$2" "$dir/run/heddle"
# The machine's network devices and control groups are nothing to this libvirtd. Nor is KVM: it asks QEMU anew at every step
# where QEMU cannot use a /dev/kvm that is there.
mount -n -t sysfs sysfs /sys
mkdir -p "$dir/dev/net" "$dir/dev/pts" "$dir/dev/shm"
for node in null zero full random urandom tty ptmx net/tun; do cp -a "/dev/$node" "$dir/dev/$node"; done
mount -n --rbind /dev/pts "$dir/dev/pts"
mount -n --rbind "$dir/dev" /dev

# Debian's libvirt-daemon-system, which would start libvirtd on the machine itself, makes these.
getent passwd libvirt-qemu >/dev/null || echo libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin >>/etc/passwd
for group in libvirt-qemu kvm; do
  getent group "$group" >/dev/null || echo "$group:x:64055:" >>/etc/group
done
mkdir -p /etc/libvirt/hooks/qemu.d
cat >/etc/libvirt/libvirtd.conf <<END
auth_unix_rw = "none"
unix_sock_group = "root"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
log_level = 3
log_outputs = "3:stderr"
END
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
END
install -m 755 src/vm/libvirt-hook.sh /etc/libvirt/hooks/qemu.d/heddle
echo "HEDDLE=$PWD/heddle" >/etc/default/heddle
mount -n --rbind "$dir/run" /run
echo ready
exec cat

#!/bin/busybox sh
# The one program of a test's guest: loads the drivers, then runs the commands that come through the virtio port, one after
# the other. A line asks: "<id> <seconds> <script, base64>"; a line answers: "<id> <exit code> =<stdout, base64> =<stderr, base64>".
export PATH=/usr/bin:/bin
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /etc/acpi/PWRF /srv
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
while read -r module; do insmod "/modules/$module"; done </modules/order
hostname guest
ip link set lo up

# The power button, as a distribution has it: orderly for `virsh shutdown` and `virsh reboot`.
printf '#!/bin/sh\npoweroff -f\n' >/etc/acpi/PWRF/00000080
chmod +x /etc/acpi/PWRF/00000080
acpid -l /dev/null

port=
while [ -z "$port" ]; do
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name" 2>/dev/null)" = heddle.test ] && port=/dev/$(basename "${name%/name}")
  done
  [ -n "$port" ] || usleep 20000
done
exec 3<>"$port"
echo "ready $(cat /proc/sys/kernel/random/boot_id)" >&3
while read -r id seconds script <&3; do
  echo "$script" | base64 -d >/tmp/script
  timeout -s KILL "$seconds" sh /tmp/script >/tmp/out 2>/tmp/err </dev/null 3>&-
  echo "$id $? =$(base64 -w 0 /tmp/out) =$(base64 -w 0 /tmp/err)" >&3
done
poweroff -f

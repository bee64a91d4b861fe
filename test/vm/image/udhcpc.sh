#!/bin/sh
# What the guest's DHCP client does with an answer.
case $1 in bound | renew) ;; *) exit 0 ;; esac
ifconfig "$interface" "$ip" netmask "$subnet"
[ -z "$mtu" ] || ip link set dev "$interface" mtu "$mtu"
[ -z "$router" ] || ip route replace default via "$router" dev "$interface"
mkdir -p /etc
for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
echo "search $domain" >>/etc/resolv.conf

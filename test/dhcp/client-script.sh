#!/bin/sh
# What DHCP clients run when something happens: sets up the interface, and says what was told on standard output.
event=${reason:-$1}
case $event in
  bound | renew) # udhcpc
    ip address replace "$ip/$mask" dev "$interface"
    ip route replace default via "$router" dev "$interface"
    ;;
  BOUND | REBOOT | RENEW | REBIND) # dhclient -4
    ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface"
    ip route replace default via "$new_routers" dev "$interface"
    ;;
  BOUND6 | RENEW6 | REBIND6) # dhclient -6
    if [ -n "$new_ip6_address" ]; then ip -6 address replace "$new_ip6_address/128" dev "$interface" nodad; fi
    ;;
  deconfig | EXPIRE) ip -4 address flush dev "$interface" ;;
esac
env | grep -E '^[a-z][a-z0-9_]*=' | while read -r line; do echo "EVENT $event $line"; done
echo "EVENT $event ."

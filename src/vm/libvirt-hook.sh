#!/bin/sh
# libvirt runs this at every step of every guest: /etc/libvirt/hooks/qemu.d/heddle. Guests without Heddle's metadata, and
# steps at which there is nothing to do, cost no further process, and do not depend on Heddle. Settings, such as HEDDLE for
# the program and HEDDLE_AGENT for the agent's socket: /etc/default/heddle.
set -eu
case $2 in migrate | prepare | release) ;; *) exit 0 ;; esac
domain=$(cat)
case $domain in *urn:heddle:libvirt*) ;; *) exit 0 ;; esac
set -a
if [ -r /etc/default/heddle ]; then . /etc/default/heddle; fi
# What a hook writes to its standard output would be taken for a domain; at `migrate`, nothing is the domain as it is.
printf '%s\n' "$domain" | "${HEDDLE:-heddle}" vm libvirt-hook -- "$@" >&2

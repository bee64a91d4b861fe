/** Changes of the own namespace's nftables rulesets, whoever makes them (include/uapi/linux/netfilter/nf_tables.h). */
import { decodeAttributes, decodeMessages, readText } from './attributes.ts';
import { bind, close, errnoName, kernelError, recv, socket } from './libc.ts';
import { watchSocket } from './socket-watch.ts';

const AF_NETLINK = 16;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o2004000;
const NETLINK_NETFILTER = 12;
const NFNLGRP_NFTABLES = 7;
const NFNL_SUBSYS_NFTABLES = 10;
const NFGENMSG = 4;
/** NFTA_TABLE_NAME, and the table's name of chains, rules, sets and elements. */
const TABLE = 1;
/** NFT_MSG_NEWTABLE to NFT_MSG_DELSETELEM; what comes after are generations and objects. */
const LAST_KIND = 14;

/** Calls `onChange` with the names of the tables that were changed, or undefined if that was lost, until disposed. */
export function watchNftables(onChange: (tables: ReadonlySet<string> | undefined) => void): Disposable {
  const fd = socket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, NETLINK_NETFILTER);
  try {
    const address = new DataView(new ArrayBuffer(12)); // struct sockaddr_nl
    address.setUint16(0, AF_NETLINK, true);
    address.setUint32(8, 1 << (NFNLGRP_NFTABLES - 1), true);
    bind(fd, new Uint8Array(address.buffer));
  } catch (e) {
    close(fd);
    throw e;
  }
  const buffer = new Uint8Array(1 << 16);
  return watchSocket(fd, () => {
    const tables = drain(fd, buffer);
    if (tables?.size !== 0) onChange(tables);
  });
}

/** Undefined: some were lost. */
function drain(fd: number, buffer: Uint8Array): ReadonlySet<string> | undefined {
  const tables = new Set<string>();
  let lost = false;
  for (;;) {
    const n = recv(fd, buffer, 0);
    const errno = n < 0 ? errnoName(-n) : undefined;
    if (errno === 'EAGAIN') return lost ? undefined : tables;
    if (errno === 'EINTR') continue;
    if (errno === 'ENOBUFS') lost = true;
    else if (n < 0) throw kernelError(-n, 'receive', 'nftables notifications');
    else
      for (const { type, body } of decodeMessages(buffer.subarray(0, n))) {
        if (type >> 8 !== NFNL_SUBSYS_NFTABLES || (type & 0xff) > LAST_KIND) continue;
        const name = readText(decodeAttributes(body.subarray(NFGENMSG)).get(TABLE));
        if (name !== undefined) tables.add(name);
      }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Asks for an address until it answers: ARP until there is a MAC, then ICMP echo, a packet at least every half millisecond.
//
//   reach <device> <own address> <address> <seconds>
//
// Prints "ready", then, at the first echo reply, the CLOCK_MONOTONIC time in nanoseconds. It makes its own frames because
// the kernel's neighbour table waits a second between two requests, which would measure its timer.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INTERVAL_NS = 500 * 1000, ECHO_ID = 0x6864 };

struct arp_frame {
	struct ether_header eth;
	struct ether_arp arp;
} __attribute__((packed));

struct echo_frame {
	struct ether_header eth;
	struct iphdr ip;
	struct icmphdr icmp;
} __attribute__((packed));

static uint8_t own_mac[ETH_ALEN], peer_mac[ETH_ALEN];
static uint32_t own, peer;
static int have_mac;

static int check(int result, const char *doing)
{
	if (result < 0) {
		fprintf(stderr, "reach: %s: %s\n", doing, strerror(errno));
		exit(1);
	}
	return result;
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint16_t checksum(const void *data, size_t bytes)
{
	const uint16_t *word = data;
	uint32_t sum = 0;
	for (; bytes > 1; bytes -= 2)
		sum += *word++;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static struct ether_header header(const uint8_t *to, uint16_t type)
{
	struct ether_header eth = {.ether_type = htons(type)};
	memcpy(eth.ether_dhost, to, ETH_ALEN);
	memcpy(eth.ether_shost, own_mac, ETH_ALEN);
	return eth;
}

static void send_arp(int fd)
{
	static const uint8_t everyone[ETH_ALEN] = {255, 255, 255, 255, 255, 255};
	struct arp_frame f = {.eth = header(everyone, ETHERTYPE_ARP)};
	f.arp.ea_hdr = (struct arphdr){htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), ETH_ALEN, 4, htons(ARPOP_REQUEST)};
	memcpy(f.arp.arp_sha, own_mac, ETH_ALEN);
	memcpy(f.arp.arp_spa, &own, 4);
	memcpy(f.arp.arp_tpa, &peer, 4);
	check(send(fd, &f, sizeof f, 0), "send");
}

static void send_echo(int fd)
{
	struct echo_frame f = {
		.eth = header(peer_mac, ETHERTYPE_IP),
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_ICMP, .saddr = own, .daddr = peer,
		       .tot_len = htons(sizeof f.ip + sizeof f.icmp)},
		.icmp = {.type = ICMP_ECHO, .un.echo.id = htons(ECHO_ID)},
	};
	struct icmphdr icmp = f.icmp;
	struct iphdr ip = f.ip;
	f.icmp.checksum = checksum(&icmp, sizeof icmp);
	f.ip.check = checksum(&ip, sizeof ip);
	check(send(fd, &f, sizeof f, 0), "send");
}

// Takes what has arrived. Returns whether the echo reply is among it.
static int receive(int fd)
{
	union {
		struct arp_frame arp;
		struct echo_frame echo;
		char bytes[2048];
	} in;
	ssize_t n;
	while ((n = recv(fd, &in, sizeof in, MSG_DONTWAIT)) >= 0) {
		uint16_t type = ntohs(in.arp.eth.ether_type);
		if (type == ETHERTYPE_ARP && n >= (ssize_t)sizeof in.arp && ntohs(in.arp.arp.ea_hdr.ar_op) == ARPOP_REPLY &&
		    !memcmp(in.arp.arp.arp_spa, &peer, 4)) {
			memcpy(peer_mac, in.arp.arp.arp_sha, ETH_ALEN);
			have_mac = 1;
		}
		if (type == ETHERTYPE_IP && n >= (ssize_t)sizeof in.echo && in.echo.ip.saddr == peer &&
		    in.echo.ip.protocol == IPPROTO_ICMP && in.echo.icmp.type == ICMP_ECHOREPLY &&
		    in.echo.icmp.un.echo.id == htons(ECHO_ID))
			return 1;
	}
	if (errno != EAGAIN)
		check(-1, "recv");
	return 0;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 5 || inet_pton(AF_INET, argv[2], &own) != 1 || inet_pton(AF_INET, argv[3], &peer) != 1) {
		fprintf(stderr, "usage: reach DEVICE OWN-ADDRESS ADDRESS SECONDS\n");
		return 2;
	}
	struct ifreq device = {0};
	strncpy(device.ifr_name, argv[1], IFNAMSIZ - 1);
	int fd = check(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), "socket");
	check(ioctl(fd, SIOCGIFHWADDR, &device), argv[1]);
	memcpy(own_mac, device.ifr_hwaddr.sa_data, ETH_ALEN);
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(argv[1])};
	int on = 1;
	check(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), "PACKET_IGNORE_OUTGOING");
	check(bind(fd, (struct sockaddr *)&at, sizeof at), "bind");

	puts("ready");
	fflush(stdout);
	for (int64_t end = now_ns() + atoll(argv[4]) * 1000000000; now_ns() < end;) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		struct timespec wait = {.tv_nsec = INTERVAL_NS};
		have_mac ? send_echo(fd) : send_arp(fd);
		check(ppoll(&readable, 1, &wait, NULL), "poll");
		if (receive(fd)) {
			printf("%lld\n", (long long)now_ns());
			return 0;
		}
	}
	fprintf(stderr, "reach: no answer\n");
	return 1;
}

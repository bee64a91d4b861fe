// SPDX-License-Identifier: Apache-2.0
// One measurement between two processes on one core. Start `serve` first and wait for its line "ready".
//
//   measure serve <what> <address> <port> <core>
//   measure call  <what> <address> <port> <core> <seconds> [<flows>]
//
// what      who prints  value
// rr        call        µs for one byte there and back on an open TCP connection
// crr       call        µs for connect, one byte there and back, close
// stream    serve       Gbit/s of payload received on one TCP connection
// udp       serve       datagrams of 64 bytes received per second, from one connected socket
// flows     serve       the same from a raw socket, each datagram of a random one of <flows> source ports
// hold      nobody      keeps a container alive
//
// The value is the median over slices of 50 ms, so that one pre-emption does not count, and is printed as one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 64, BLOCK = 128 * 1024, UDP_BUFFER = 8 << 20, FIRST_FLOW_PORT = 20000 };
static const int64_t SLICE_NS = 50 * 1000 * 1000;
// A datagram of this length ends a run; several are sent because any one may be dropped.
enum { LAST_BYTES = 1, LAST_COPIES = 5 };
// Units of work between two looks at the clock, which costs about as much as a tenth of a datagram.
enum { BATCH = 16 };

static void die(const char *doing)
{
	fprintf(stderr, "measure: %s: %s\n", doing, strerror(errno));
	exit(1);
}

static int check(int result, const char *doing)
{
	if (result < 0)
		die(doing);
	return result;
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pin(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	check(sched_setaffinity(0, sizeof set, &set), "pin to the core");
}

// --- slices ---------------------------------------------------------------------------------------------------------

static struct {
	double rate[4096]; // units per nanosecond
	int count;
	int64_t since, units;
} slices;

static void slice_start(void)
{
	slices.since = now_ns();
	slices.units = 0;
}

// Counts units of work, and closes the slice when its time is over. Returns the clock.
static int64_t slice_add(int64_t units)
{
	int64_t now = now_ns();
	slices.units += units;
	if (now - slices.since >= SLICE_NS && slices.count < (int)(sizeof slices.rate / sizeof *slices.rate)) {
		slices.rate[slices.count++] = (double)slices.units / (double)(now - slices.since);
		slices.since = now;
		slices.units = 0;
	}
	return now;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median_rate(void)
{
	if (slices.count == 0) {
		fprintf(stderr, "measure: nothing arrived in any slice of 50 ms\n");
		exit(1);
	}
	qsort(slices.rate, slices.count, sizeof *slices.rate, ascending);
	return (slices.rate[(slices.count - 1) / 2] + slices.rate[slices.count / 2]) / 2;
}

static void print_value(double value)
{
	printf("{\"value\":%.4f,\"slices\":%d}\n", value, slices.count);
}

// --- sockets --------------------------------------------------------------------------------------------------------

static struct sockaddr_in peer;

static int open_socket(int type)
{
	int fd = check(socket(AF_INET, type, 0), "socket"), on = 1;
	check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
	if (type == SOCK_STREAM) {
		// Before connect: the kernel's default may be BBR, whose pacing, once on, stays on.
		check(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), "TCP_CONGESTION cubic");
		check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
	}
	return fd;
}

static int listen_tcp(void)
{
	int fd = open_socket(SOCK_STREAM);
	check(bind(fd, (struct sockaddr *)&peer, sizeof peer), "bind");
	check(listen(fd, 128), "listen");
	return fd;
}

static int connect_tcp(void)
{
	int fd = open_socket(SOCK_STREAM);
	check(connect(fd, (struct sockaddr *)&peer, sizeof peer), "connect");
	return fd;
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

// --- round trips ----------------------------------------------------------------------------------------------------

static void serve_rr(void)
{
	int listener = listen_tcp();
	char byte;
	ready();
	int fd = check(accept(listener, NULL, NULL), "accept");
	while (check(read(fd, &byte, 1), "read") == 1)
		check(write(fd, &byte, 1), "write");
}

static void round_trip(int fd)
{
	char byte = 'x';
	check(write(fd, &byte, 1), "write");
	if (check(read(fd, &byte, 1), "read") != 1)
		die("the server closed the connection");
}

static void call_rr(int64_t duration_ns)
{
	int fd = connect_tcp();
	int64_t end = now_ns() + duration_ns;
	slice_start();
	do
		for (int i = 0; i < BATCH; i++)
			round_trip(fd);
	while (slice_add(BATCH) < end);
	print_value(1 / median_rate() / 1000);
}

static void serve_crr(void)
{
	int listener = listen_tcp();
	char byte;
	ready();
	for (;;) {
		int fd = check(accept(listener, NULL, NULL), "accept");
		// The run ends with a connection that closes without a request.
		ssize_t n = check(read(fd, &byte, 1), "read");
		if (n == 0)
			return;
		check(write(fd, &byte, 1), "write");
		check(read(fd, &byte, 1), "read the end");
		close(fd);
	}
}

static void set_sysctl(const char *path, const char *value)
{
	int fd = check(open(path, O_WRONLY), path);
	check(write(fd, value, strlen(value)), path);
	close(fd);
}

static void call_crr(int64_t duration_ns)
{
	// The caller closes first and keeps TIME_WAIT: let it reuse its ports, of which it needs tens of thousands a second.
	set_sysctl("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535");
	set_sysctl("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
	int64_t end = now_ns() + duration_ns;
	slice_start();
	do
		for (int i = 0; i < BATCH; i++) {
			int fd = connect_tcp();
			round_trip(fd);
			close(fd);
		}
	while (slice_add(BATCH) < end);
	close(connect_tcp());
	print_value(1 / median_rate() / 1000);
}

// --- one stream -----------------------------------------------------------------------------------------------------

static char block[BLOCK];

static void serve_stream(void)
{
	int listener = listen_tcp();
	ready();
	int fd = check(accept(listener, NULL, NULL), "accept");
	ssize_t n;
	slice_start();
	while ((n = check(read(fd, block, sizeof block), "read")) > 0)
		slice_add(n);
	print_value(median_rate() * 8);
}

static void call_stream(int64_t duration_ns)
{
	int fd = connect_tcp();
	for (int64_t end = now_ns() + duration_ns; now_ns() < end;)
		check(write(fd, block, sizeof block), "write");
}

// --- datagrams ------------------------------------------------------------------------------------------------------

static void serve_udp(void)
{
	int fd = open_socket(SOCK_DGRAM), bytes = UDP_BUFFER;
	char datagram[PAYLOAD];
	// As large as the run needs: with both ends on one core the reader waits whole time slices for its turn.
	check(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes), "SO_RCVBUFFORCE");
	check(bind(fd, (struct sockaddr *)&peer, sizeof peer), "bind");
	ready();
	check(recv(fd, datagram, sizeof datagram, 0), "recv");
	slice_start();
	for (int n = 1; check(recv(fd, datagram, sizeof datagram, 0), "recv") != LAST_BYTES; n++)
		if (n % BATCH == 0)
			slice_add(BATCH);
	print_value(median_rate() * 1e9);
}

static void end_udp(void)
{
	char last[LAST_BYTES] = {0};
	int fd = open_socket(SOCK_DGRAM);
	check(connect(fd, (struct sockaddr *)&peer, sizeof peer), "connect");
	for (int i = 0; i < LAST_COPIES; i++) {
		usleep(20000); // lets the receiver drain its buffer
		if (send(fd, last, sizeof last, 0) < 0 && errno != ECONNREFUSED)
			die("send"); // refused: an earlier copy was heard, and the receiver is gone
	}
}

static void call_udp(int64_t duration_ns)
{
	int fd = open_socket(SOCK_DGRAM);
	char datagram[PAYLOAD] = {0};
	check(connect(fd, (struct sockaddr *)&peer, sizeof peer), "connect");
	for (int64_t end = now_ns() + duration_ns; now_ns() < end;)
		for (int i = 0; i < BATCH; i++)
			check(send(fd, datagram, sizeof datagram, 0), "send");
	end_udp();
}

// 10,000 ordinary sockets would measure the cost of 10,000 cold sockets; one raw socket costs the same for any flow.
static void call_flows(int64_t duration_ns, uint32_t flows)
{
	int fd = check(socket(AF_INET, SOCK_RAW, IPPROTO_RAW), "raw socket");
	struct {
		struct iphdr ip;
		struct udphdr udp;
		char payload[PAYLOAD];
	} packet = {
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .daddr = peer.sin_addr.s_addr,
		       .tot_len = htons(sizeof packet)},
		.udp = {.dest = peer.sin_port, .len = htons(sizeof packet.udp + PAYLOAD)},
	};
	uint32_t random = 0x9e3779b9;
	check(connect(fd, (struct sockaddr *)&peer, sizeof peer), "connect");
	for (int64_t end = now_ns() + duration_ns; now_ns() < end;)
		for (int i = 0; i < BATCH; i++) {
			random ^= random << 13, random ^= random >> 17, random ^= random << 5;
			packet.udp.source = htons(FIRST_FLOW_PORT + random % flows);
			check(send(fd, &packet, sizeof packet, 0), "send");
		}
	end_udp();
}

// --- the command line -----------------------------------------------------------------------------------------------

static void usage(void)
{
	fprintf(stderr, "usage: measure serve|call rr|crr|stream|udp|flows ADDRESS PORT CORE [SECONDS [FLOWS]] | measure hold\n");
	exit(2);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "hold"))
		for (;;)
			pause();
	prctl(PR_SET_PDEATHSIG, SIGKILL); // a measurement does not outlive the bench
	if (argc < 6)
		usage();
	const char *what = argv[2];
	int call = !strcmp(argv[1], "call");
	peer.sin_family = AF_INET;
	if (inet_pton(AF_INET, argv[3], &peer.sin_addr) != 1 || (call && argc < 7))
		usage();
	peer.sin_port = htons(atoi(argv[4]));
	pin(atoi(argv[5]));
	int64_t duration_ns = call ? (int64_t)(atof(argv[6]) * 1e9) : 0;
	uint32_t flows = call && argc > 7 ? (uint32_t)atoi(argv[7]) : 1;

	if (!strcmp(what, "rr"))
		call ? call_rr(duration_ns) : serve_rr();
	else if (!strcmp(what, "crr"))
		call ? call_crr(duration_ns) : serve_crr();
	else if (!strcmp(what, "stream"))
		call ? call_stream(duration_ns) : serve_stream();
	else if (!strcmp(what, "udp"))
		call ? call_udp(duration_ns) : serve_udp();
	else if (!strcmp(what, "flows"))
		call ? call_flows(duration_ns, flows) : serve_udp();
	else
		usage();
	return 0;
}

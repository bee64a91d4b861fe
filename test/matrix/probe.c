/*
 * The one program of the matrix, static, so that it runs in every kind of workload:
 *
 *   probe serve <tenant> <name> <stranger> <device>...   answers TCP, and writes a line for every frame with a stranger's mark
 *   probe ask <tenant> <mtu> all|told <target>...        asks all targets at once; a line for each check: <key> <check> <result>
 *
 * A target is "key,source,address,server,name,resolver"; the resolver "-" is the workload's own. A result is "ok", or what
 * was wrong. All that is sent says whose it is: it begins with the tenant's mark.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 7007
#define CONTENT (128 << 10)
#define HEAD 128
#define PATIENCE_MS 15000
#define AGAIN_MS 1000
#define ETH_P_ALL 3

static const char *tenant;

/* An address of either family, as the system calls want it. */
struct address {
	struct sockaddr_storage storage;
	socklen_t size;
};

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static void mark_of(const char *whose, char *to)
{
	snprintf(to, HEAD, "matrix of tenant %s;", whose);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct address address_of(const char *text, int port)
{
	struct address a = {};
	struct sockaddr_in *four = (void *)&a.storage;
	struct sockaddr_in6 *six = (void *)&a.storage;

	if (strchr(text, ':')) {
		*six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		a.size = sizeof(*six);
		if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
			die(text);
	} else {
		*four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
		a.size = sizeof(*four);
		if (inet_pton(AF_INET, text, &four->sin_addr) != 1)
			die(text);
	}
	return a;
}

/* A socket to `to`, from `from` unless that is 0. */
static int socket_to(int type, int protocol, const struct address *to, const char *from)
{
	struct address source = from ? address_of(from, 0) : (struct address){};
	int s = socket(to->storage.ss_family, type, protocol);

	if (s < 0 || (from && bind(s, (void *)&source.storage, source.size)))
		die("socket");
	return s;
}

/* Bytes that nobody guesses, the same at both ends. */
static void fill(uint8_t *bytes, size_t length, uint64_t seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		bytes[i] = seed >> 56;
	}
}

static bool all_of(int s, void *bytes, size_t length, bool reads)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = reads ? recv(s, bytes + done, length - done, 0)
				  : send(s, bytes + done, length - done, MSG_NOSIGNAL);
		if (n <= 0) {
			if (!n)
				errno = ECONNRESET;
			return false;
		}
		done += n;
	}
	return true;
}

static void limit(int s)
{
	struct timeval t = {.tv_sec = PATIENCE_MS / 1000};

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* --- serve --- */

static void answer(int s, const char *name)
{
	static uint8_t got[CONTENT], want[CONTENT];
	char head[HEAD] = {}, *seed;
	uint64_t n;

	limit(s);
	if (!all_of(s, head, HEAD, true) || !all_of(s, got, CONTENT, true))
		exit(1);
	seed = strchr(head, ';');
	n = seed ? strtoull(seed + 1, 0, 10) : 0;
	fill(want, CONTENT, n);
	memset(head, 0, HEAD);
	mark_of(tenant, head);
	snprintf(head + strlen(head), HEAD - strlen(head), "%s %s", memcmp(got, want, CONTENT) ? "changed" : "ok", name);
	fill(got, CONTENT, n + 1);
	all_of(s, head, HEAD, false);
	all_of(s, got, CONTENT, false);
	exit(0);
}

static int watch(const char *device)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(device)};
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (s < 0 || !at.sll_ifindex || bind(s, (void *)&at, sizeof(at)))
		die(device);
	return s;
}

static int serve(const char *name, const char *stranger, char **devices)
{
	static uint8_t frame[70000];
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct pollfd fds[8] = {};
	char mark[HEAD];
	int count = 1, one = 1;

	signal(SIGCHLD, SIG_IGN);
	mark_of(stranger, mark);
	for (; *devices && count < 8; devices++)
		fds[count++] = (struct pollfd){.fd = watch(*devices), .events = POLLIN};
	fds[0] = (struct pollfd){.fd = socket(AF_INET6, SOCK_STREAM, 0), .events = POLLIN};
	setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fds[0].fd, (void *)&any, sizeof(any)) || listen(fds[0].fd, 128))
		die("listen");
	for (;;) {
		if (poll(fds, count, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents) {
			int s = accept(fds[0].fd, 0, 0);

			if (s >= 0 && !fork())
				answer(s, name);
			close(s);
		}
		for (int i = 1; i < count; i++) {
			ssize_t n = fds[i].revents ? recv(fds[i].fd, frame, sizeof(frame), 0) : 0;

			if (n > 0 && memmem(frame, n, mark, strlen(mark))) {
				printf("a frame of %zd bytes of tenant %s\n", n, stranger);
				fflush(stdout);
			}
		}
	}
}

/* --- ask --- */

struct target {
	char *key, *source, *address, *server, *name, *resolver;
};

static void report(const struct target *t, const char *check, const char *format, ...)
{
	char line[512];
	va_list args;
	int n = snprintf(line, sizeof(line), "%s %s ", t->key, check);

	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	va_end(args);
	line[n++] = '\n';
	if (write(1, line, n) != n) /* at once: the lines of others do not mix with it */
		exit(1);
}

enum { WHOLE, PIECES, TOO_LARGE };

static void how(int s, bool six, int sending)
{
	int discover = sending == WHOLE ? IP_PMTUDISC_DO : sending == PIECES ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE;
	int whole = sending != PIECES;

	if (six) {
		setsockopt(s, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
		setsockopt(s, IPPROTO_IPV6, IPV6_DONTFRAG, &whole, sizeof(whole));
	} else
		setsockopt(s, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
}

/* What an ICMP message says of our echo: 1 the answer, 2 too large, 0 nothing. */
static int about(const uint8_t *m, ssize_t n, bool six, uint16_t id, int *mtu)
{
	if (n >= 8 && m[0] == (six ? 129 : 0) && (m[4] << 8 | m[5]) == id)
		return 1;
	if (n >= 8 + 20 && m[0] == (six ? 2 : 3) && (six || m[1] == 4)) {
		int inner = 8 + (six ? 40 : (m[8] & 15) * 4);

		if (n < inner + 8 || (m[inner + 4] << 8 | m[inner + 5]) != id)
			return 0;
		*mtu = six ? m[4] << 24 | m[5] << 16 | m[6] << 8 | m[7] : m[6] << 8 | m[7];
		return 2;
	}
	return 0;
}

static void sum(uint8_t *m, int length)
{
	uint32_t s = 0;

	for (int i = 0; i < length; i += 2)
		s += m[i] << 8 | (i + 1 < length ? m[i + 1] : 0);
	s = (s & 0xffff) + (s >> 16);
	s = ~((s & 0xffff) + (s >> 16));
	m[2] = s >> 8;
	m[3] = s;
}

/* An echo whose packet has so many bytes, sent again until something comes back. */
static void echo(const struct target *t, const char *check, int bytes, int sending, int mtu)
{
	static uint8_t sent[16000], got[70000];
	struct address to = address_of(t->address, 0);
	bool six = to.storage.ss_family == AF_INET6;
	int length = bytes - (six ? 40 : 20), s = socket_to(SOCK_RAW, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, &to, t->source);
	uint16_t id = getpid();
	long end = now_ms() + PATIENCE_MS, again = 0;

	how(s, six, sending);
	fill(sent, length, bytes);
	memset(sent, 0, 8 + HEAD < length ? 8 + HEAD : 8);
	sent[0] = six ? 128 : 8;
	sent[4] = id >> 8;
	sent[5] = id;
	sent[7] = sending + 1;
	if (8 + HEAD < length)
		mark_of(tenant, (char *)sent + 8);
	if (!six)
		sum(sent, length);
	while (now_ms() < end) {
		struct pollfd p = {.fd = s, .events = POLLIN};

		if (now_ms() >= again) {
			if (sendto(s, sent, length, 0, (void *)&to.storage, to.size) < 0 && errno != EHOSTUNREACH && errno != ENOBUFS) {
				report(t, check, "cannot send: %s", strerror(errno));
				goto out;
			}
			again = now_ms() + AGAIN_MS;
		}
		if (poll(&p, 1, 50) <= 0)
			continue;
		ssize_t n = recv(s, got, sizeof(got), MSG_DONTWAIT);
		int ip = six ? 0 : (got[0] & 15) * 4, told = 0;

		/* The echo and its answer differ in type and checksum alone. */
		switch (n > 0 ? about(got + ip, n - ip, six, id, &told) : 0) {
		case 1:
			if (got[ip + 7] != sent[7])
				break;
			if (n - ip != length || memcmp(got + ip + 4, sent + 4, length - 4))
				report(t, check, "changed");
			else
				report(t, check, sending == TOO_LARGE ? "arrived" : "ok");
			goto out;
		case 2:
			if (sending == TOO_LARGE && told == mtu)
				report(t, check, "ok");
			else
				report(t, check, "told an MTU of %d", told);
			goto out;
		}
	}
	report(t, check, "nothing came back");
out:
	close(s);
}

static void tcp(const struct target *t)
{
	static uint8_t sent[CONTENT], got[CONTENT];
	struct address to = address_of(t->address, PORT);
	char head[HEAD] = {}, want[HEAD] = {};
	uint64_t seed = (uint64_t)getpid() << 16 ^ (uint64_t)now_ms();
	long end = now_ms() + PATIENCE_MS;
	int s;

	for (;; usleep(100000)) {
		s = socket_to(SOCK_STREAM, 0, &to, t->source);
		limit(s);
		if (!connect(s, (void *)&to.storage, to.size))
			break;
		if (now_ms() > end)
			return report(t, "tcp", "cannot connect: %s", strerror(errno));
		close(s);
	}
	mark_of(tenant, head);
	snprintf(head + strlen(head), HEAD - strlen(head), "%llu", (unsigned long long)seed);
	fill(sent, CONTENT, seed);
	if (!all_of(s, head, HEAD, false) || !all_of(s, sent, CONTENT, false))
		return report(t, "tcp", "cannot send: %s", strerror(errno));
	if (!all_of(s, head, HEAD, true) || !all_of(s, got, CONTENT, true))
		return report(t, "tcp", "cannot receive: %s", strerror(errno));
	mark_of(tenant, want);
	snprintf(want + strlen(want), HEAD - strlen(want), "ok %s", t->server);
	fill(sent, CONTENT, seed + 1);
	if (memcmp(head, want, HEAD))
		report(t, "tcp", "\"%s\" answered", head);
	else
		report(t, "tcp", memcmp(sent, got, CONTENT) ? "changed" : "ok");
	close(s);
}

/* The workload's own resolver. */
static const char *own_resolver(void)
{
	static char address[128], line[256];
	FILE *f = fopen("/etc/resolv.conf", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nameserver %127s", address) == 1)
			break;
	return address;
}

static int put_name(uint8_t *to, const char *name)
{
	int at = 0;

	for (const char *label = name; *label;) {
		int n = strcspn(label, ".");

		to[at++] = n;
		memcpy(to + at, label, n);
		at += n;
		label += n + (label[n] == '.');
	}
	to[at++] = 0;
	return at;
}

static int skip_name(const uint8_t *m, int at, int n)
{
	while (at < n && m[at] && m[at] < 0xc0)
		at += m[at] + 1;
	return at + (at < n && m[at] ? 2 : 1);
}

/* "ok" if the only address in an answer is the one wanted. */
static const char *judge(const uint8_t *m, int n, int type, const void *address)
{
	int size = type == 1 ? 4 : 16, at = skip_name(m, 12, n) + 4, found = 0;

	if (m[3] & 15)
		return "refused or unknown";
	for (int left = m[6] << 8 | m[7]; left > 0; left--) {
		at = skip_name(m, at, n);
		if (at + 10 + size > n)
			break;
		if ((m[at] << 8 | m[at + 1]) == type) {
			if (memcmp(m + at + 10, address, size))
				return "another address";
			found++;
		}
		at += 10 + (m[at + 8] << 8 | m[at + 9]);
	}
	return found == 1 ? "ok" : "not one address";
}

static void name(const struct target *t)
{
	static uint8_t query[512], got[4096];
	bool own = !strcmp(t->resolver, "-");
	struct address to = address_of(own ? own_resolver() : t->resolver, 53), want = address_of(t->address, 0);
	bool six = want.storage.ss_family == AF_INET6;
	int type = six ? 28 : 1, length, s = socket_to(SOCK_DGRAM, 0, &to, own ? 0 : t->source);
	const void *bytes = six ? (void *)&((struct sockaddr_in6 *)&want.storage)->sin6_addr
				: (void *)&((struct sockaddr_in *)&want.storage)->sin_addr;

	query[0] = getpid() >> 8;
	query[1] = getpid();
	query[2] = 1; /* recursion desired */
	query[5] = 1;
	length = 12 + put_name(query + 12, t->name);
	query[length + 1] = type;
	query[length + 3] = 1;
	length += 4;
	for (long end = now_ms() + PATIENCE_MS; now_ms() < end;) {
		struct pollfd p = {.fd = s, .events = POLLIN};

		sendto(s, query, length, 0, (void *)&to.storage, to.size);
		if (poll(&p, 1, AGAIN_MS) <= 0)
			continue;
		ssize_t n = recv(s, got, sizeof(got), MSG_DONTWAIT);

		if (n >= 12 && got[0] == query[0] && got[1] == query[1]) {
			report(t, "name", "%s", judge(got, n, type, bytes));
			close(s);
			return;
		}
	}
	report(t, "name", "no answer");
	close(s);
}

static struct target target_of(char *text)
{
	struct target t = {};
	char **fields[] = {&t.key, &t.source, &t.address, &t.server, &t.name, &t.resolver};

	for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (!(*fields[i] = strsep(&text, ",")))
			die("a target has six fields");
	return t;
}

static int ask(int mtu, bool told, char **targets)
{
	for (; *targets; targets++)
		if (!fork()) {
			struct target t = target_of(*targets);

			if (told)
				echo(&t, "told", mtu + 4, TOO_LARGE, mtu);
			else {
				echo(&t, "ping", 256, WHOLE, mtu);
				echo(&t, "mtu", mtu, WHOLE, mtu);
				echo(&t, "pieces", 3 * mtu, PIECES, mtu);
				tcp(&t);
				name(&t);
			}
			exit(0);
		}
	while (wait(0) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 5 && !strcmp(argv[1], "serve")) {
		tenant = argv[2];
		return serve(argv[3], argv[4], argv + 5);
	}
	if (argc > 5 && !strcmp(argv[1], "ask")) {
		tenant = argv[2];
		return ask(atoi(argv[3]), !strcmp(argv[4], "told"), argv + 5);
	}
	fputs("probe serve <tenant> <name> <stranger> <device>..., or probe ask <tenant> <mtu> all|told <target>...\n", stderr);
	return 2;
}

// SPDX-License-Identifier: Apache-2.0
// The whole of the managed plug-in: passes the engine's calls on to the agent's plug-in socket, byte by byte.
//
//   proxy <own socket> <agent's socket>
//
// Swarm takes only managed plug-ins. An engine that starts asks them what they can do, and never asks again: so these
// questions, whose answers never change, are answered here if the agent does not. Another call waits a moment for the
// agent, as it may be starting again, and is then refused: an engine that gets no answer at all waits for a minute.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, REQUEST_LINE = 256, WAIT_MS = 3000, RETRY_MS = 50, BACKLOG = 128 };

static const struct {
	const char *method;
	const char *body;
} constant[] = {
	{ "Plugin.Activate", "{\"Implements\":[\"NetworkDriver\",\"IpamDriver\"]}" },
	{ "NetworkDriver.GetCapabilities", "{\"Scope\":\"local\",\"ConnectivityScope\":\"global\"}" },
	{ "IpamDriver.GetCapabilities", "{\"RequiresMACAddress\":false,\"RequiresRequestReplay\":false}" },
	{ "IpamDriver.GetDefaultAddressSpaces",
	  "{\"LocalDefaultAddressSpace\":\"heddle\",\"GlobalDefaultAddressSpace\":\"heddle\"}" },
};

static const char away[] = "{\"Err\":\"the Heddle agent of this host does not answer: is it running?\","
			   "\"Error\":\"the Heddle agent of this host does not answer: is it running?\"}";

static void die(const char *doing)
{
	fprintf(stderr, "heddle proxy: %s: %s\n", doing, strerror(errno));
	exit(1);
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(at.sun_path, path);
	return at;
}

// A connection to the agent, or -1.
static int call_agent(const char *path)
{
	struct sockaddr_un at = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

// Writes all of it; -1 if the other end is gone.
static int write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		length -= n;
	}
	return 0;
}

// Passes bytes both ways until one end closes. Neither end ever closes one direction only: HTTP does not.
static void splice_ends(int a, int b)
{
	static char block[BLOCK];
	struct pollfd ends[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	for (;;) {
		if (poll(ends, 2, -1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++) {
			if (!(ends[i].revents & (POLLIN | POLLHUP | POLLERR)))
				continue;
			ssize_t n = read(ends[i].fd, block, sizeof(block));
			if (n <= 0 || write_all(ends[1 - i].fd, block, n) < 0)
				return;
		}
	}
}

// The method of the first request, "NetworkDriver.Join", without taking it off the connection; "" if there is none.
static const char *first_method(int fd)
{
	static char line[REQUEST_LINE];
	for (;;) {
		ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_PEEK);
		if (n <= 0)
			return "";
		line[n] = 0;
		char *end = strstr(line, "\r\n");
		if (end || n == sizeof(line) - 1)
			break;
		// The rest of the line is under way.
		struct timespec moment = { .tv_nsec = 1000 * 1000 };
		nanosleep(&moment, NULL);
	}
	char *method = strchr(line, '/');
	if (!method)
		return "";
	method[1 + strcspn(method + 1, " \r\n")] = 0;
	return method + 1;
}

static void answer(int fd, const char *status, const char *body)
{
	static char request[BLOCK];
	// Taken off the connection, or closing it would cut the answer.
	while (recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0)
		continue;
	dprintf(fd,
		"HTTP/1.1 %s\r\nContent-Type: application/vnd.docker.plugins.v1.2+json\r\n"
		"Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		status, strlen(body), body);
}

// One connection of the engine.
static void serve(int engine, const char *agent_path)
{
	const char *method = first_method(engine);
	if (*method == 0)
		return;
	int agent = call_agent(agent_path);
	for (size_t i = 0; agent < 0 && i < sizeof(constant) / sizeof(constant[0]); i++)
		if (strcmp(method, constant[i].method) == 0) {
			answer(engine, "200 OK", constant[i].body);
			return;
		}
	for (int waited = 0; agent < 0 && waited < WAIT_MS; waited += RETRY_MS) {
		struct timespec moment = { .tv_nsec = RETRY_MS * 1000 * 1000 };
		nanosleep(&moment, NULL);
		agent = call_agent(agent_path);
	}
	if (agent < 0)
		answer(engine, "500 Internal Server Error", away);
	else
		splice_ends(engine, agent);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: proxy <own socket> <agent's socket>\n");
		return 2;
	}
	// Children are not waited for; a connection that is gone is no reason to end.
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	struct sockaddr_un own = address(argv[1]);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		die("socket");
	unlink(argv[1]);
	if (bind(listener, (struct sockaddr *)&own, sizeof(own)) < 0 || listen(listener, BACKLOG) < 0)
		die(argv[1]);
	for (;;) {
		int engine = accept(listener, NULL, NULL);
		if (engine < 0)
			continue;
		pid_t child = fork();
		if (child == 0) {
			close(listener);
			serve(engine, argv[2]);
			_exit(0);
		}
		if (child < 0)
			fprintf(stderr, "heddle proxy: fork: %s\n", strerror(errno));
		close(engine);
	}
}

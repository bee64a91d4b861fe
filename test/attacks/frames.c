/*
 * frames <device> [times [offset]]: sends every line of the standard input, in hexadecimal, as a whole Ethernet frame; all of
 * them so many times, 0: until it is killed, with a moment in between, also while there is no such device, or it is down; each
 * time with the next number in the two bytes at the offset. A guest's way to send what no kernel would.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES 1024
#define LONGEST 2048

static uint8_t frames[FRAMES][LONGEST];
static size_t lengths[FRAMES];

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static int digit(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static size_t read_frames(void)
{
	static char line[2 * LONGEST + 2];
	size_t count = 0;

	for (; fgets(line, sizeof(line), stdin); count++) {
		if (count == FRAMES)
			die("too many frames");
		for (size_t i = 0; line[2 * i] > ' '; i++) {
			frames[count][i] = digit(line[2 * i]) << 4 | digit(line[2 * i + 1]);
			lengths[count] = i + 1;
		}
	}
	return count;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = argc > 1 ? if_nametoindex(argv[1]) : 0};
	unsigned long times = argc > 2 ? strtoul(argv[2], 0, 10) : 1;
	size_t at = argc > 3 ? strtoul(argv[3], 0, 10) : 0;
	int s = socket(AF_PACKET, SOCK_RAW, 0);
	size_t count = read_frames();

	if (s < 0 || (times && !to.sll_ifindex))
		die(argc > 1 ? argv[1] : "frames <device> [times]");
	for (unsigned long n = 0; !times || n < times; n++)
		for (size_t i = 0; i < count; i++) {
			if (at && !++frames[i][at + 1])
				frames[i][at]++;
			/* A queue that is full is no end, only a wait. */
			while (sendto(s, frames[i], lengths[i], 0, (void *)&to, sizeof(to)) < 0)
				if (errno != ENOBUFS && errno != EINTR) {
					if (times)
						die("sending");
					/* One that comes later, or again, has another number. */
					to.sll_ifindex = if_nametoindex(argv[1]);
					break;
				}
			if (!times)
				usleep(200);
		}
	return 0;
}

/* One connection as stdin and stdout. A program of its own, which may block. */
#include "worker/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

enum { CHUNK = 64 << 10, ADDRESS_MAX = 128, PORT_MAX = 65535 };

static bool make_address(const char *text, int port, struct sockaddr_storage *address,
			 socklen_t *len)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		*len = sizeof(*four);
		return true;
	}
	if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*len = sizeof(*six);
		return true;
	}
	return false;
}

/* The descriptor, or -1 with errno. */
static int try_address(const char *text, int port)
{
	struct sockaddr_storage address;
	socklen_t len;
	int fd, on = 1, errnum;

	if (!make_address(text, port, &address, &len)) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, len) == 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		return fd;
	}
	errnum = errno;
	close(fd);
	errno = errnum;
	return -1;
}

/* A static program can't load what resolves names: getent can. */
static FILE *ask(const char *host, pid_t *pid)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return NULL;
	*pid = fork();
	if (*pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execlp("getent", "getent", "ahosts", host, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	if (*pid < 0) {
		close(ends[0]);
		return NULL;
	}
	return fdopen(ends[0], "r");
}

static int try_name(const char *host, int port)
{
	char line[1024], address[ADDRESS_MAX], last[ADDRESS_MAX] = "";
	int fd = -1, errnum = 0;
	pid_t pid = -1;
	FILE *answer = ask(host, &pid);

	while (answer && fd < 0 && fgets(line, sizeof(line), answer)) {
		if (sscanf(line, "%127s", address) != 1 || !strcmp(address, last))
			continue;
		strcpy(last, address);
		fd = try_address(address, port);
		errnum = errno;
	}
	if (answer)
		fclose(answer);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (fd < 0 && !*last)
		fprintf(stderr, "cannot resolve '%s'\n", host);
	else if (fd < 0)
		fprintf(stderr, "%s\n", strerror(errnum));
	return fd;
}

static int reach(const char *host, int port)
{
	static const char *const locals[] = {"127.0.0.1", "::1"};
	struct sockaddr_storage address;
	bool local = !strcmp(host, "localhost");
	socklen_t len;
	int fd = -1;

	if (!local && !make_address(host, port, &address, &len))
		return try_name(host, port);
	for (int i = 0; fd < 0 && i < (local ? 2 : 1); i++)
		fd = try_address(local ? locals[i] : host, port);
	if (fd < 0)
		fprintf(stderr, "%s\n", strerror(errno));
	return fd;
}

/* False: either side broke. */
static bool copy(int from, int to)
{
	static char bytes[CHUNK];
	ssize_t len;

	while ((len = read(from, bytes, sizeof(bytes))) != 0) {
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 || ff_write_all(to, bytes, (size_t)len) != 0)
			return false;
	}
	return true;
}

int ff_connect_run(const char *host, const char *port)
{
	long number = strspn(port, "0123456789") == strlen(port) ? strtol(port, NULL, 10) : 0;
	pid_t forth;
	bool ok;
	int fd;

	if (number < 1 || number > PORT_MAX) {
		fprintf(stderr, "'%s' is no port\n", port);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	fd = reach(host, (int)number);
	if (fd < 0 || ff_write_all(STDOUT_FILENO, "+", 1) != 0)
		return 1;
	forth = fork();
	if (forth == 0) {
		copy(STDIN_FILENO, fd);
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	ok = forth > 0 && copy(fd, STDOUT_FILENO);
	if (forth > 0) {
		kill(forth, SIGKILL);
		waitpid(forth, NULL, 0);
	}
	return !ok;
}

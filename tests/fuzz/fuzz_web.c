/* Any bytes as requests on a connection to the pages' server: it answers in HTTP or closes, never
 * with an error of its own (500), and never with what is not in the runs' folder. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "web/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_MS = 20000 };

#define RUN "20260102-030405-abcd"
static const char secret[] = "not-for-pages";
static const char journal[] =
	"{\"seq\":1,\"time\":\"2026-01-02T03:04:05.000000Z\",\"event\":\"run-started\",\"run\":"
	"\"" RUN "\",\"version\":\"0.1.0\",\"config\":\"f.yaml\",\"command\":\"run\",\"directory\":"
	"\"/\",\"hosts\":1,"
	"\"slots\":1,\"jobs\":1,\"machine\":\"m\",\"pid\":1}\n"
	"{\"seq\":2,\"time\":\"2026-01-02T03:04:05.000001Z\",\"event\":\"host-added\",\"host\":"
	"\"h\",\"spec\":"
	"\"popen\",\"slots\":1}\n"
	"{\"seq\":3,\"time\":\"2026-01-02T03:04:05.000002Z\",\"event\":\"job-added\",\"job\":\"j\","
	"\"payload\":"
	"\"run\",\"units\":2,\"timeout_us\":0,\"addopts_read\":false,\"open\":false}\n"
	"{\"seq\":4,\"time\":\"2026-01-02T03:04:05.000003Z\",\"event\":\"unit-started\",\"job\":"
	"\"j\",\"unit\":"
	"\"u\",\"index\":0,\"host\":\"h\",\"attempt\":1}\n"
	"{\"seq\":5,\"time\":\"2026-01-02T03:04:06.000003Z\",\"event\":\"unit-finished\",\"job\":"
	"\"j\",\"unit\":"
	"\"u\",\"index\":0,\"host\":\"h\",\"attempt\":1,\"final\":true,\"result\":{\"outcome\":"
	"\"failed\","
	"\"duration_us\":1000,\"status\":3,\"message\":\"exit status 3\"}}\n"
	"{\"seq\":6,\"time\":\"2026-01-02T03:04:06.000004Z\",\"event\":\"unit-started\",\"job\":"
	"\"j\",\"unit\":"
	"\"v\",\"index\":1,\"host\":\"h\",\"attempt\":1}\n"
	"{\"seq\":7,\"time\":\"2026-01-02T03:04:06.000005Z\",\"event\":\"unit-artifacts\",\"job\":"
	"\"j\",\"unit\":\"v\",\"index\":1,\"host\":\"h\",\"attempt\":1,\"folder\":\"/"
	"etc\",\"files\":"
	"1,\"bytes\":1,\"took_us\":1}\n";

static char top[] = "/tmp/ff-fuzz-web-XXXXXX";
static struct ff_web *web;
static unsigned port;

static void put_file(const char *name, const char *text)
{
	char *path = ff_xasprintf("%s/%s", top, name);
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) == EOF || fclose(file) != 0)
		abort();
	ff_free(path);
}

static void make_folder(const char *name)
{
	char *path = ff_xasprintf("%s/%s", top, name);

	if (mkdir(path, 0700) < 0)
		abort();
	ff_free(path);
}

static void end(void)
{
	static const char *const made[] = {"runs/" RUN "/journal.jsonl", "secret"};
	static const char *const folders[] = {("runs/" RUN), "runs", ""};

	ff_web_stop(web);
	for (size_t i = 0; i < 2; i++) {
		char *path = ff_xasprintf("%s/%s", top, made[i]);

		unlink(path);
		ff_free(path);
	}
	for (size_t i = 0; i < 3; i++) {
		char *path = ff_xasprintf("%s/%s", top, folders[i]);

		rmdir(path);
		ff_free(path);
	}
}

static void begin(void)
{
	struct ff_err err = {0};
	char *runs, *url;

	if (web)
		return;
	if (!mkdtemp(top))
		abort();
	make_folder("runs");
	make_folder("runs/" RUN);
	put_file("runs/" RUN "/journal.jsonl", journal);
	put_file("secret", secret);
	runs = ff_xasprintf("%s/runs", top);
	/* Without a token nothing can be started from here. */
	web = ff_web_start(&(struct ff_web_opts){.runs = runs, .address = "127.0.0.1", .port = "0"},
			   &err);
	ff_free(runs);
	if (!web)
		abort();
	url = ff_web_url(web, "");
	port = (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
	ff_free(url);
	atexit(end);
}

static int connect_to(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct linger at_once = {1, 0};

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	/* Thousands of closed connections would keep their ports. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return fd;
}

/* "@" stands for our own name, which inputs can't know. */
static void fill_in(const uint8_t *data, size_t size, struct ff_buf *request)
{
	for (size_t i = 0; i < size; i++)
		if (data[i] == '@')
			ff_buf_addf(request, "127.0.0.1:%u", port);
		else
			ff_buf_addch(request, (char)data[i]);
}

#ifdef __clang__
#define UNSEEN __attribute__((no_sanitize("coverage")))
#else
#define UNSEEN
#endif

/* As memmem, but libFuzzer sees what that looks for, and would ask for it: an answer says which
 * words of a request it did not like. */
UNSEEN static bool says(const struct ff_buf *answer, const char *words)
{
	const char *text = (const char *)ff_buf_data(answer);
	size_t len = 0, n;

	while (words[len])
		len++;
	for (size_t i = 0; i + len <= answer->len; i++) {
		for (n = 0; n < len && text[i + n] == words[n]; n++)
			;
		if (n == len)
			return true;
	}
	return false;
}

static void check(struct ff_buf *answer)
{
	const char *text = (const char *)ff_buf_data(answer);

	if (answer->len == 0)
		return;
	if (answer->len < 9 || memcmp(text, "HTTP/1.", 7) != 0)
		abort();
	if (says(answer, "HTTP/1.1 500") || says(answer, secret) || says(answer, "root:"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ff_buf request = FF_BUF_INIT, answer = FF_BUF_INIT;
	struct pollfd poll_fd = {.events = POLLIN};
	size_t sent = 0;
	char part[4096];
	ssize_t n = 0;

	begin();
	fill_in(data, size, &request);
	poll_fd.fd = connect_to();
	while (sent < request.len && (n = send(poll_fd.fd, ff_buf_data(&request) + sent,
					       request.len - sent, MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	shutdown(poll_fd.fd, SHUT_WR);
	do {
		int rc;

		/* libFuzzer's alarm looks whether an input takes too long. */
		while ((rc = poll(&poll_fd, 1, ANSWER_MS)) < 0 && errno == EINTR)
			;
		if (rc != 1)
			abort();
		n = recv(poll_fd.fd, part, sizeof(part), 0);
		if (n > 0)
			ff_buf_add(&answer, part, (size_t)n);
	} while (n > 0);
	close(poll_fd.fd);
	check(&answer);
	ff_buf_release(&request);
	ff_buf_release(&answer);
	return 0;
}

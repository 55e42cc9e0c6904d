#include "web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "web/folder.h"
#include "web/http.h"

struct ff_web {
	struct MHD_Daemon *daemon;
	struct ff_web_folder *folder;
	struct ff_web_guard guard;
	struct ff_buf page; /* the one page, whose code asks for the rest */
	char *page_policy;
	char *url;
	atomic_bool stopping;
};

bool ff_web_is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* --- news of a run --- */

/* Lines as they come, for one that listens. */
struct listener {
	struct ff_web *web;
	char *run;
	uint64_t seq; /* what it knows */
	bool told_over;
	int silent; /* looks without news */
};

enum { LOOK_MS = 250, PING_AFTER = 40 };

static void wait_ms(long ms)
{
	struct timespec time = {0, ms * 1000000};

	nanosleep(&time, NULL);
}

static ssize_t listen_on(void *ctx, uint64_t pos, char *out, size_t max)
{
	struct listener *listener = ctx;
	uint64_t seq = 0;
	bool over = false;

	(void)pos;
	if (listener->told_over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	while (!listener->web->stopping) {
		if (ff_web_folder_seq(listener->web->folder, listener->run, &seq, &over, NULL) < 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (seq != listener->seq || over) {
			listener->seq = seq;
			listener->told_over = over;
			listener->silent = 0;
			return snprintf(out, max, "id: %llu\nevent: %s\ndata: {\"seq\":%llu}\n\n",
					(unsigned long long)seq, over ? "over" : "news",
					(unsigned long long)seq);
		}
		if (++listener->silent % PING_AFTER == 0)
			return snprintf(out, max, ": still here\n\n");
		wait_ms(LOOK_MS);
	}
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_listener(void *ctx)
{
	struct listener *listener = ctx;

	ff_free(listener->run);
	ff_free(listener);
}

/* From the number that the browser had last, after its connection was cut, or that it names. */
static enum MHD_Result answer_news(struct ff_web *web, struct MHD_Connection *connection,
				   const char *run)
{
	struct listener *listener = ff_xcalloc(1, sizeof(*listener));
	struct MHD_Response *response;

	listener->web = web;
	listener->run = ff_xstrdup(run);
	listener->seq = ff_web_number(ff_web_header(connection, "Last-Event-ID"),
				      ff_web_number(ff_web_argument(connection, "after"), 0));
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, listen_on, listener,
						     free_listener);
	if (!response) {
		free_listener(listener);
		return MHD_NO;
	}
	return ff_web_send(connection, 200, response, "text/event-stream", NULL);
}

/* --- what is asked for --- */

static enum MHD_Result answer_part(struct ff_web *web, struct MHD_Connection *connection,
				   const char *run, const char *what)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	uint64_t row = 0;
	enum ff_web_part part = FF_WEB_DETAILS;
	enum MHD_Result result;
	int rc;

	if (!what)
		part = FF_WEB_RUN;
	else if (strcmp(what, "rows") == 0)
		part = FF_WEB_ROWS;
	else if (strcmp(what, "spans") == 0)
		part = FF_WEB_SPANS;
	else if (strncmp(what, "rows/", 5) == 0)
		row = ff_web_number(what + 5, UINT64_MAX);
	else
		return ff_web_refuse(connection, 404, "there is no such part of a run");
	rc = row > UINT32_MAX
		     ? ff_err_set(&err, FF_ENOTFOUND, "there is no such row")
		     : ff_web_folder_part(web->folder, run, part, (uint32_t)row, &out, &err);
	result = rc == 0 ? ff_web_send_text(connection, 200, &out, "application/json", NULL)
			 : ff_web_refuse(connection, rc == FF_ENOTFOUND ? 404 : 500,
					 *err.text ? err.text : ff_err_text(rc));
	ff_buf_release(&out);
	return result;
}

static enum MHD_Result answer_list(struct ff_web *web, struct MHD_Connection *connection)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	int rc = ff_web_folder_list(web->folder, FF_WEB_RUNS_MAX, &out, &err);
	enum MHD_Result result =
		rc == 0 ? ff_web_send_text(connection, 200, &out, "application/json", NULL)
			: ff_web_refuse(connection, 500, *err.text ? err.text : ff_err_text(rc));

	ff_buf_release(&out);
	return result;
}

/* "/api/v1/runs", "/api/v1/runs/ID", "/api/v1/runs/ID/PART" */
static enum MHD_Result answer_api(struct ff_web *web, struct MHD_Connection *connection,
				  const char *path)
{
	enum MHD_Result result;
	const char *what;
	char *run;

	if (strcmp(path, "runs") == 0)
		return answer_list(web, connection);
	if (strncmp(path, "runs/", 5) != 0)
		return ff_web_refuse(connection, 404, "the API has runs, and nothing else");
	path += 5;
	what = strchr(path, '/');
	run = ff_xstrndup(path, what ? (size_t)(what - path) : strlen(path));
	if (what && strcmp(what + 1, "events") == 0)
		result = answer_news(web, connection, run);
	else
		result = answer_part(web, connection, run, what ? what + 1 : NULL);
	ff_free(run);
	return result;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *body,
			      size_t *body_len, void **state)
{
	struct ff_web *web = ctx;
	static char seen;
	const char *why;

	(void)version;
	(void)body;
	/* The first call is before a body, which nobody wants. */
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*body_len > 0) {
		*body_len = 0;
		return MHD_YES;
	}
	why = ff_web_guard_host(&web->guard, connection);
	if (why)
		return ff_web_refuse(connection, 403, why);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return ff_web_refuse(connection, 405, "this server only reads");
	switch (ff_web_guard_token(&web->guard, connection)) {
	case FF_WEB_TOKEN_GIVEN:
		return ff_web_welcome(&web->guard, connection, path);
	case FF_WEB_TOKEN_LACKS:
		return ff_web_refuse(
			connection, 401,
			"the address that farflung printed has a token; it is needed once");
	default:
		break;
	}
	if (strncmp(path, "/api/v1/", 8) == 0)
		return answer_api(web, connection, path + 8);
	if (strncmp(path, "/assets/", 8) == 0)
		return ff_web_send_asset(connection, path + 8);
	if (strcmp(path, "/") == 0 || strncmp(path, "/runs/", 6) == 0)
		return ff_web_send_text(connection, 200, &web->page, "text/html; charset=utf-8",
					web->page_policy);
	return ff_web_refuse(connection, 404, "there is nothing here");
}

/* --- life --- */

static int bind_to(const struct ff_web_opts *opts, struct ff_err *err)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int fd, on = 1;

	if (ff_web_number(opts->port, UINT64_MAX) > UINT16_MAX ||
	    getaddrinfo(opts->address, opts->port, &hints, &found) != 0 || !found)
		return ff_err_set(err, FF_EINVAL, "'%s' port '%s' is no address to listen on",
				  opts->address, opts->port);
	if (!ff_web_is_loopback(opts->address) && !opts->token) {
		freeaddrinfo(found);
		return ff_err_set(err, FF_EINVAL, "'%s' can be reached by others: it wants a token",
				  opts->address);
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 128) < 0) {
		ff_err_sys(err, errno, "cannot listen on %s port %s", opts->address, opts->port);
		if (fd >= 0)
			close(fd);
		fd = FF_ESYS;
	}
	freeaddrinfo(found);
	return fd;
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &len);
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

struct ff_web *ff_web_start(const struct ff_web_opts *opts, struct ff_err *err)
{
	int fd = bind_to(opts, err);
	bool six = strchr(opts->address, ':');
	struct ff_web *web;
	unsigned port;

	if (fd < 0)
		return NULL;
	port = port_of(fd);
	web = ff_xcalloc(1, sizeof(*web));
	web->folder = ff_web_folder_new(opts->runs);
	ff_web_guard_init(&web->guard, opts->address, port, opts->token);
	web->page_policy = ff_web_page(&web->page);
	web->url =
		ff_xasprintf("http://%s%s%s:%u/%s%s", six ? "[" : "", opts->address, six ? "]" : "",
			     port, opts->token ? "?token=" : "", opts->token ? opts->token : "");
	web->daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0,
		NULL, NULL, answer, web, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)FF_WEB_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)FF_WEB_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 << 10),
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)(512 << 10), MHD_OPTION_END);
	if (web->daemon)
		return web;
	close(fd);
	ff_err_set(err, FF_ESYS, "cannot serve on %s port %s", opts->address, opts->port);
	ff_web_stop(web);
	return NULL;
}

void ff_web_stop(struct ff_web *web)
{
	if (!web)
		return;
	web->stopping = true;
	if (web->daemon)
		MHD_stop_daemon(web->daemon);
	ff_web_folder_free(web->folder);
	ff_web_guard_release(&web->guard);
	ff_buf_release(&web->page);
	ff_free(web->page_policy);
	ff_free(web->url);
	ff_free(web);
}

const char *ff_web_url(const struct ff_web *web)
{
	return web->url;
}

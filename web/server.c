#include "web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "report/thread.h"
#include "web/api.h"
#include "web/http.h"
#include "web/pair.h"

enum {
	BODY_MAX = 64 << 10,
	FAREWELL_MS = 1000,
};

struct ff_web {
	struct MHD_Daemon *daemon;
	struct ff_web_api api;
	char *runs;
	struct ff_web_guard guard;
	struct ff_web_pair pair;
	struct ff_buf page; /* the one page, whose code asks for the rest */
	char *page_policy;
	char *base, *token;
	struct ff_web_streams streams;
};

bool ff_web_is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* --- what is asked for --- */

/* A request's body, as it comes. */
struct request {
	struct ff_buf body;
	bool too_long;
};

static enum MHD_Result answer_get(struct ff_web *web, struct MHD_Connection *connection,
				  const char *path)
{
	if (strncmp(path, "/api/v1/", 8) == 0)
		return ff_web_api_get(&web->api, connection, path + 8);
	if (strncmp(path, "/assets/", 8) == 0)
		return ff_web_send_asset(connection, path + 8);
	if (strcmp(path, "/") == 0 || strncmp(path, "/runs/", 6) == 0)
		return ff_web_send_text(connection, 200, &web->page, "text/html; charset=utf-8",
					web->page_policy);
	return ff_web_refuse(connection, 404, "there is nothing here");
}

static enum MHD_Result answer_post(struct ff_web *web, struct MHD_Connection *connection,
				   const char *path, struct request *request)
{
	if (request->too_long)
		return ff_web_refuse(connection, 413, "that is too long");
	if (strncmp(path, "/api/v1/", 8) != 0)
		return ff_web_refuse(connection, 405, "this is only read");
	return ff_web_api_post(&web->api, connection, path + 8, &request->body);
}

static enum MHD_Result answer_all(struct ff_web *web, struct MHD_Connection *connection,
				  const char *path, const char *method, struct request *request)
{
	const char *why = ff_web_guard_host(&web->guard, connection);
	bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (why)
		return ff_web_refuse(connection, 403, why);
	if (!get && strcmp(method, "POST") != 0)
		return ff_web_refuse(connection, 405, "this server only reads");
	switch (ff_web_guard_token(&web->guard, connection)) {
	case FF_WEB_TOKEN_GIVEN:
		return ff_web_welcome(&web->guard, connection, path);
	case FF_WEB_TOKEN_LACKS:
		return ff_web_refuse(
			connection, 401,
			"the address that farflung printed has a token; it is needed once");
	default:
		return get ? answer_get(web, connection, path)
			   : answer_post(web, connection, path, request);
	}
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *body,
			      size_t *body_len, void **state)
{
	struct request *request = *state;

	(void)version;
	/* The first call is before a body. */
	if (!request) {
		*state = ff_xcalloc(1, sizeof(*request));
		return MHD_YES;
	}
	if (*body_len > 0) {
		request->too_long |= request->body.len + *body_len > BODY_MAX;
		if (!request->too_long)
			ff_buf_add(&request->body, body, *body_len);
		*body_len = 0;
		return MHD_YES;
	}
	return answer_all(ctx, connection, path, method, request);
}

static void completed(void *ctx, struct MHD_Connection *connection, void **state,
		      enum MHD_RequestTerminationCode why)
{
	struct request *request = *state;

	(void)ctx;
	(void)connection;
	(void)why;
	if (request)
		ff_buf_release(&request->body);
	ff_free(request);
	*state = NULL;
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

/* FF_ESYS */
static int start_daemon(struct ff_web *web, int fd, const struct ff_web_opts *opts,
			struct ff_err *err)
{
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, web->pair.cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, web->pair.key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)FF_WEB_PAIR_PRIORITIES},
		{MHD_OPTION_END, 0, NULL}};
	const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | (opts->cert ? MHD_USE_TLS : 0);

	web->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, answer, web, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)FF_WEB_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)FF_WEB_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 << 10),
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)(512 << 10), MHD_OPTION_NOTIFY_COMPLETED,
		completed, NULL, MHD_OPTION_ARRAY, opts->cert ? tls : none, MHD_OPTION_END);
	if (web->daemon)
		return 0;
	close(fd);
	return ff_err_set(err, FF_ESYS, "cannot serve on %s port %s%s%s", opts->address, opts->port,
			  opts->cert ? " with the certificate in " : "",
			  opts->cert ? opts->cert : "");
}

struct ff_web *ff_web_start(const struct ff_web_opts *opts, struct ff_err *err)
{
	int fd = bind_to(opts, err);
	bool six = strchr(opts->address, ':');
	struct ff_web_pair pair = {0};
	struct ff_web *web;
	unsigned port;

	if (fd < 0)
		return NULL;
	if (ff_web_pair_read(&pair, opts->cert, opts->key, err)) {
		close(fd);
		return NULL;
	}
	port = port_of(fd);
	web = ff_xcalloc(1, sizeof(*web));
	web->pair = pair;
	pthread_mutex_init(&web->streams.lock, NULL);
	ff_thread_cond_init(&web->streams.change);
	web->runs = ff_xstrdup(opts->runs);
	web->api = (struct ff_web_api){ff_web_folder_new(opts->runs, opts->links),
				       ff_digests_new(opts->runs), web->runs, opts->token,
				       &web->streams};
	ff_web_guard_init(&web->guard, opts->address, port, opts->token);
	web->guard.pair = opts->cert ? &web->pair : NULL;
	web->page_policy = ff_web_page(&web->page);
	web->base = ff_xasprintf("http%s://%s%s%s:%u", opts->cert ? "s" : "", six ? "[" : "",
				 opts->address, six ? "]" : "", port);
	web->token = ff_xstrdup(opts->token);
	if (start_daemon(web, fd, opts, err) == 0)
		return web;
	ff_web_stop(web);
	return NULL;
}

void ff_web_farewell(struct ff_web *web)
{
	const struct timespec until = ff_thread_in_ms(FAREWELL_MS);
	struct ff_web_streams *streams = web ? &web->streams : NULL;

	if (!web)
		return;
	pthread_mutex_lock(&streams->lock);
	streams->farewell = true;
	pthread_cond_broadcast(&streams->change);
	while (streams->open > 0 &&
	       pthread_cond_timedwait(&streams->change, &streams->lock, &until) == 0)
		;
	pthread_mutex_unlock(&streams->lock);
}

void ff_web_stop(struct ff_web *web)
{
	if (!web)
		return;
	pthread_mutex_lock(&web->streams.lock);
	web->streams.stopping = true;
	pthread_cond_broadcast(&web->streams.change);
	pthread_mutex_unlock(&web->streams.lock);
	if (web->daemon)
		MHD_stop_daemon(web->daemon);
	pthread_cond_destroy(&web->streams.change);
	pthread_mutex_destroy(&web->streams.lock);
	ff_web_folder_free(web->api.folder);
	ff_digests_free(web->api.digests);
	ff_free(web->runs);
	ff_web_guard_release(&web->guard);
	ff_web_pair_release(&web->pair);
	ff_buf_release(&web->page);
	ff_free(web->page_policy);
	ff_free(web->base);
	ff_free(web->token);
	ff_free(web);
}

char *ff_web_url(const struct ff_web *web, const char *path)
{
	return ff_xasprintf("%s%s%s%s", web->base, path, web->token ? "?token=" : "",
			    web->token ? web->token : "");
}

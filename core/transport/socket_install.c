/* installvia=: a server for one connection, started through another gateway of the group. It is
 * given a token that lives as long as it does. Knows what socketserver.py answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "gateway/group.h"
#include "transport/open.h"
#include "transport/socket_session.h"
#include "worker/bootstrap.h"

enum { PORT_MAX = 65535, MODE_MAX = 8 };

static void fail(struct ff_sock *sock, int code, const char *words)
{
	ff_err_set(&sock->why, code, "cannot install a socket server through gateway '%s': %s",
		   sock->conn->spec->installvia, words);
	ff_sock_end(sock);
}

/* It listens: what it says of where counts, unless the spec has named a host. */
static void on_address(struct ff_sock *sock, const char *host, int64_t port, const char *mode)
{
	bool any = !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
	struct ff_err err;

	if (port < 1 || port > PORT_MAX || strlen(host) >= sizeof(sock->host)) {
		fail(sock, FF_EPROTO, "it answers nonsense");
		return;
	}
	if (strcmp(mode, "tls") == 0) {
		sock->guard = FF_SOCK_TLS;
	} else if (strcmp(mode, "proof") == 0) {
		sock->guard = FF_SOCK_PROOF;
	} else {
		fail(sock, FF_EPROTO, "it does not ask for the token");
		return;
	}
	if (!*sock->host)
		snprintf(sock->host, sizeof(sock->host), "%s", any ? "localhost" : host);
	snprintf(sock->service, sizeof(sock->service), "%d", (int)port);
	if (ff_sock_reach(sock, &err) != 0)
		fail(sock, err.code, err.text);
}

/* "farflung-listening HOST PORT MODE"; other lines may say what went wrong, the last one counts. */
static void on_line(struct ff_sock *sock, const char *line)
{
	char host[FF_SOCK_HOST_MAX], mode[MODE_MAX];
	long port;

	if (sscanf(line, "farflung-listening %255s %ld %7s", host, &port, mode) == 3)
		on_address(sock, strcmp(host, "*") == 0 ? "" : host, port, mode);
	else
		ff_err_set(&sock->why, FF_EREMOTE, "%s", line);
}

static void on_ended(struct ff_sock *sock, const char *error)
{
	char words[2 * FF_ERR_TEXT_MAX];

	sock->installing = false;
	if (!sock->ended && !*sock->service) {
		snprintf(words, sizeof(words), "%s%s%s", sock->why.code ? sock->why.text : "",
			 sock->why.code && error ? "; " : "",
			 error		  ? error
			 : sock->why.code ? ""
					  : "it ended");
		fail(sock, FF_ESPAWN, words);
	}
	ff_sock_free_if_done(sock);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_sock *sock = ctx;
	char words[FF_ERR_TEXT_MAX];

	if (!item) {
		on_ended(sock, ff_channel_error(channel));
	} else if (!sock->ended && !*sock->service && item->value.kind == FF_STR) {
		snprintf(words, sizeof(words), "%.*s", (int)item->value.len, item->value.text);
		on_line(sock, words);
	}
}

/* It stands inside a literal of the script. */
static bool is_plain(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		".:_-";

	for (; *text; text++)
		if (!strchr(letters, *text))
			return false;
	return true;
}

/* Where there is no Python worker, the host's own Python runs it as a script. */
static struct ff_channel *exec_script(struct ff_gateway *parent, const char *host, const char *port,
				      const char *secret, struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	struct ff_channel *channel = NULL;
	struct ff_task task = {0};

	if (ff_buf_addf(&text, "#!/usr/bin/env python3\nFF_INSTALL = ('%s', %s, '%s')\n%s", host,
			port, secret, ff_bootstrap_source("socketserver")) != 0 ||
	    !ff_buf_str(&text)) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
	} else {
		task.source = ff_buf_str(&text);
		channel = ff_gateway_remote_exec(parent, &task, err);
	}
	explicit_bzero(ff_buf_data(&text), text.len);
	ff_buf_release(&text);
	return channel;
}

static struct ff_channel *exec_python(struct ff_gateway *parent, const char *host, const char *port,
				      const char *secret, struct ff_err *err)
{
	struct ff_value kwargs[] = {
		ff_str("host"),	  ff_str(host),	  ff_str("port"), ff_int(strtol(port, NULL, 10)),
		ff_str("secret"), ff_str(secret),
	};
	struct ff_task task = {
		.source = ff_bootstrap_source("socketserver"),
		.file_name = "socketserver.py",
		.call_name = "socketserver",
		.kwargs = ff_collection(FF_DICT, kwargs, 3),
	};

	return ff_gateway_remote_exec(parent, &task, err);
}

static int bind_address(struct ff_sock *sock, char *host, char *port, struct ff_err *err)
{
	const struct ff_xspec *spec = sock->conn->spec;
	int rc;

	snprintf(host, FF_SOCK_HOST_MAX, "localhost");
	snprintf(port, FF_SOCK_SERVICE_MAX, "0");
	if (!*spec->socket)
		return 0;
	rc = ff_sock_split(sock, spec->socket, err);
	if (rc != 0)
		return rc;
	memcpy(host, sock->host, FF_SOCK_HOST_MAX);
	memcpy(port, sock->service, FF_SOCK_SERVICE_MAX);
	sock->service[0] = '\0';
	if (!is_plain(host) || port[strspn(port, "0123456789")] || strlen(port) > 5)
		return ff_err_set(err, FF_EINVAL, "socket=%s: it wants host:port, port a number",
				  spec->socket);
	return 0;
}

int ff_sock_install(struct ff_sock *sock, struct ff_err *err)
{
	const char *via = sock->conn->spec->installvia;
	struct ff_gateway *parent = ff_group_get(sock->conn->group, via);
	char host[FF_SOCK_HOST_MAX], port[FF_SOCK_SERVICE_MAX], secret[FF_TOKEN_TEXT];
	int rc = bind_address(sock, host, port, err);

	if (rc != 0)
		return rc;
	if (!parent || ff_gateway_state(parent) != FF_GATEWAY_OPEN)
		return ff_err_set(err, FF_EUNREACH, "gateway '%s' is not open", via);
	rc = ff_token_random(secret, err);
	if (rc == 0)
		rc = ff_token_derive(&sock->token, secret, FF_TOKEN_TEXT - 1, err);
	if (rc != 0)
		return rc;
	sock->installed = (ff_gateway_is_native(parent) ? exec_script : exec_python)(
		parent, host, port, secret, err);
	explicit_bzero(secret, sizeof(secret));
	if (!sock->installed)
		return FF_ELOST;
	snprintf(sock->conn->peer, sizeof(sock->conn->peer), "socket installed via %.100s", via);
	sock->installing = true;
	ff_channel_set_callback(sock->installed, on_item, sock);
	return 0;
}

void ff_sock_uninstall(struct ff_sock *sock)
{
	if (sock->installing)
		ff_channel_close(sock->installed, NULL);
}

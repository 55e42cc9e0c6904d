/* The way to a TCP connection: the host's addresses, tried one after the other. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "transport/ssh_session.h"

static void lookup_done(uv_getaddrinfo_t *request, int rc, struct addrinfo *addresses)
{
	struct ff_ssh *ssh = request->data;

	ssh->lookup_pending = false;
	ssh->looked_up = true;
	ssh->lookup_rc = rc;
	ssh->addresses = ssh->address = addresses;
	if (ssh->state == FF_SSH_DONE && addresses) {
		uv_freeaddrinfo(addresses);
		ssh->addresses = ssh->address = NULL;
	}
	ff_ssh_kick(ssh);
	ff_ssh_handle_closed(ssh);
}

static int family_of(const struct ff_ssh_config *config)
{
	if (config->address_family && !strcmp(config->address_family, "inet"))
		return AF_INET;
	if (config->address_family && !strcmp(config->address_family, "inet6"))
		return AF_INET6;
	return AF_UNSPEC;
}

/* libuv's words for a name that is not there are its own; these are the system's. */
static const char *lookup_text(int rc)
{
	switch (rc) {
	case UV_EAI_NONAME:
		return gai_strerror(EAI_NONAME);
	case UV_EAI_AGAIN:
		return gai_strerror(EAI_AGAIN);
	default:
		return uv_strerror(rc);
	}
}

int ff_ssh_step_lookup(struct ff_ssh *ssh, struct ff_err *err)
{
	const struct ff_ssh_config *config = ssh->config;
	struct addrinfo hints = {.ai_family = family_of(config), .ai_socktype = SOCK_STREAM};
	char service[16];
	int rc;

	if (!ssh->looked_up && !ssh->lookup_pending) {
		snprintf(service, sizeof(service), "%ld", config->port);
		ssh->lookup.data = ssh;
		rc = uv_getaddrinfo(ssh->conn->loop->uv, &ssh->lookup, lookup_done,
				    config->hostname, service, &hints);
		if (rc < 0)
			return ff_err_set(err, FF_EUNREACH, "cannot resolve host '%s': %s",
					  config->hostname, lookup_text(rc));
		ssh->handles++;
		ssh->lookup_pending = true;
		ff_ssh_set_timeout(ssh, FF_SSH_SETUP_TIMEOUT_S);
	}
	if (ssh->timed_out)
		return ff_err_set(err, FF_EUNREACH,
				  "cannot resolve host '%s': no answer within %d s",
				  config->hostname, FF_SSH_SETUP_TIMEOUT_S);
	if (ssh->lookup_pending)
		return FF_EAGAIN;
	if (ssh->lookup_rc < 0 || !ssh->addresses)
		return ff_err_set(err, FF_EUNREACH, "cannot resolve host '%s': %s",
				  config->hostname, lookup_text(ssh->lookup_rc));
	return 0;
}

static void socket_event(uv_poll_t *poll, int status, int events)
{
	struct ff_ssh_socket *sock = poll->data;

	sock->ready = true;
	ff_ssh_drive(sock->ssh);
}

static void socket_closed(uv_handle_t *handle)
{
	struct ff_ssh_socket *sock = handle->data;
	struct ff_ssh *ssh = sock->ssh;

	ff_free(sock);
	ff_ssh_handle_closed(ssh);
}

static void socket_drop(struct ff_ssh *ssh)
{
	struct ff_ssh_socket *sock = ssh->socket;

	if (!sock)
		return;
	ssh->socket = NULL;
	uv_close((uv_handle_t *)&sock->poll, socket_closed);
	close(sock->fd);
}

static struct ff_ssh_socket *socket_adopt(struct ff_ssh *ssh, int fd)
{
	struct ff_ssh_socket *sock = ff_calloc(1, sizeof(*sock));

	if (!sock || uv_poll_init(ssh->conn->loop->uv, &sock->poll, fd) != 0) {
		ff_free(sock);
		return NULL;
	}
	sock->poll.data = sock;
	sock->ssh = ssh;
	sock->fd = fd;
	ssh->handles++;
	return sock;
}

static void note_failure(struct ff_ssh *ssh, const char *why)
{
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	getnameinfo(ssh->address->ai_addr, ssh->address->ai_addrlen, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	ff_err_set(&ssh->tried, FF_EUNREACH, "%s%sconnect to %s%s%s:%s: %s", ssh->tried.text,
		   ssh->tried.code ? "; " : "", strchr(host, ':') ? "[" : "", host,
		   strchr(host, ':') ? "]" : "", port, why);
}

static void set_options(struct ff_ssh *ssh, int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (ssh->config->tcp_keepalive != FF_SSH_NO)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* The user's BindAddress, as a numeric address of the same family. */
static bool bind_source(struct ff_ssh *ssh, int fd)
{
	struct addrinfo hints = {.ai_family = ssh->address->ai_family,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
	struct addrinfo *found = NULL;
	bool bound;

	if (!ssh->config->bind_address)
		return true;
	if (getaddrinfo(ssh->config->bind_address, NULL, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return false;
	}
	bound = bind(fd, found->ai_addr, found->ai_addrlen) == 0;
	freeaddrinfo(found);
	return bound;
}

/* Begins with the current address. False: it failed at once, which is noted. */
static bool begin_connect(struct ff_ssh *ssh)
{
	const struct addrinfo *address = ssh->address;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		note_failure(ssh, strerror(errno));
		return false;
	}
	set_options(ssh, fd);
	if (!bind_source(ssh, fd) ||
	    (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		note_failure(ssh, strerror(errno));
		close(fd);
		return false;
	}
	ssh->socket = socket_adopt(ssh, fd);
	if (!ssh->socket) {
		note_failure(ssh, "out of memory");
		close(fd);
		return false;
	}
	ff_ssh_set_timeout(ssh, ssh->config->connect_timeout_s ? ssh->config->connect_timeout_s
							       : FF_SSH_CONNECT_TIMEOUT_S);
	return true;
}

/* 1: connected, 0: under way, negative: failed, which is noted. */
static int check_connect(struct ff_ssh *ssh)
{
	int errnum = 0;
	socklen_t len = sizeof(errnum);
	char why[64];

	if (ssh->timed_out) {
		snprintf(why, sizeof(why), "no answer within %ld s", ssh->limit_s);
		note_failure(ssh, why);
		return FF_EUNREACH;
	}
	if (!ssh->socket->ready)
		return 0;
	ssh->socket->ready = false;
	if (getsockopt(ssh->socket->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
		errnum = errno;
	if (errnum == 0)
		return 1;
	note_failure(ssh, strerror(errnum));
	return FF_EUNREACH;
}

int ff_ssh_step_connect(struct ff_ssh *ssh, struct ff_err *err)
{
	for (; ssh->address; ssh->address = ssh->address->ai_next) {
		int rc;

		if (!ssh->socket && !begin_connect(ssh))
			continue;
		rc = check_connect(ssh);
		if (rc == 0)
			return FF_EAGAIN;
		if (rc > 0) {
			/* As in ssh, ConnectTimeout covers the key exchange. */
			ff_ssh_set_timeout(ssh, ssh->config->connect_timeout_s
							? ssh->config->connect_timeout_s
							: FF_SSH_SETUP_TIMEOUT_S);
			return 0;
		}
		socket_drop(ssh);
	}
	return ff_err_set(err, FF_EUNREACH, "%s", ssh->tried.text);
}

void ff_ssh_connect_release(struct ff_ssh *ssh)
{
	socket_drop(ssh);
	if (ssh->lookup_pending)
		uv_cancel((uv_req_t *)&ssh->lookup);
	if (ssh->addresses)
		uv_freeaddrinfo(ssh->addresses);
	ssh->addresses = ssh->address = NULL;
}

void ff_ssh_watch(struct ff_ssh *ssh)
{
	struct ff_ssh_socket *sock = ssh->socket;
	int events = 0;

	if (!sock)
		return;
	if (ssh->state == FF_SSH_CONNECT) {
		events = UV_WRITABLE;
	} else if (ssh->state == FF_SSH_RUNNING) {
		events = ff_ssh_running_events(ssh);
	} else if (ssh->session && ssh->auth.agent.expect == 0) {
		int directions = libssh2_session_block_directions(ssh->session);

		if (directions & LIBSSH2_SESSION_BLOCK_INBOUND)
			events |= UV_READABLE;
		if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
			events |= UV_WRITABLE;
	}
	if (events == sock->events)
		return;
	sock->events = events;
	if (events)
		uv_poll_start(&sock->poll, events, socket_event);
	else
		uv_poll_stop(&sock->poll);
}

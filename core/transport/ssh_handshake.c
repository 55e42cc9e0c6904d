/* From a connected socket to a running command: key exchange, host key, channel, environment, exec.
 */
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "transport/ssh_knownhosts.h"
#include "transport/ssh_session.h"

enum {
	PREFERENCES_MAX = 4096,
	FREE_TRIES = 64, /* each undoes one more thing the library had begun */
};

const char *ff_ssh_session_error(struct ff_ssh *ssh)
{
	char *text = NULL;

	if (ssh->session)
		libssh2_session_last_error(ssh->session, &text, NULL, 0);
	return text && *text ? text : "unknown failure";
}

const char *ff_ssh_loss_text(struct ff_ssh *ssh)
{
	if (ssh->socket_errno > 0)
		return strerror(ssh->socket_errno);
	if (ssh->socket_errno < 0)
		return "closed by the server";
	return ff_ssh_session_error(ssh);
}

/* The library's socket calls. They let us bound what one turn takes in, and keep errno. */
static LIBSSH2_RECV_FUNC(receive)
{
	struct ff_ssh *ssh = *abstract;
	ssize_t count;

	if (ssh->recv_budget == 0)
		return -EAGAIN;
	if (length > ssh->recv_budget)
		length = ssh->recv_budget;
	do {
		count = recv(socket, buffer, length, flags | MSG_NOSIGNAL);
	} while (count < 0 && errno == EINTR);
	if (count > 0) {
		ssh->recv_budget -= (size_t)count;
	} else if (count == 0) {
		ssh->socket_errno = -1;
	} else if (errno != EAGAIN) {
		ssh->socket_errno = errno;
	}
	return count < 0 ? -errno : count;
}

static LIBSSH2_SEND_FUNC(transmit)
{
	struct ff_ssh *ssh = *abstract;
	ssize_t count;

	do {
		count = send(socket, buffer, length, flags | MSG_NOSIGNAL);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && errno != EAGAIN)
		ssh->socket_errno = errno;
	return count < 0 ? -errno : count;
}

static bool in_list(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, name, len) && (list[len] == ',' || !list[len]))
			return true;
	}
	return false;
}

/* Sets the wanted methods that the library has; FF_EUNSUPPORTED if there is none. */
static int prefer(struct ff_ssh *ssh, int method, const char *wanted, const char *option,
		  struct ff_err *err)
{
	struct ff_strv words = FF_STRV_INIT;
	struct ff_buf known = FF_BUF_INIT, list = FF_BUF_INIT;
	const char **supported = NULL;
	int count = libssh2_session_supported_algs(ssh->session, method, &supported);
	int rc = 0;

	for (int i = 0; i < count && rc == 0; i++)
		rc = ff_buf_addf(&known, "%s%s", i ? "," : "", supported[i]);
	if (count > 0)
		libssh2_free(ssh->session, supported);
	while (*wanted && rc == 0) {
		size_t len = strcspn(wanted, ",");
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)len, wanted);
		if (known.len && in_list(ff_buf_str(&known), name))
			rc = ff_buf_addf(&list, "%s%s", list.len ? "," : "", name);
		wanted += len + (wanted[len] == ',');
	}
	if (rc < 0)
		ff_err_set(err, rc, "out of memory");
	else if (list.len == 0 ||
		 libssh2_session_method_pref(ssh->session, method, ff_buf_str(&list)) != 0)
		rc = ff_err_set(err, FF_EUNSUPPORTED, "%s", option);
	ff_strv_release(&words);
	ff_buf_release(&known);
	ff_buf_release(&list);
	return rc;
}

/* Key types by which the host is known come first: it may have several, and must not be refused for
 * showing another one. */
static int prefer_host_keys(struct ff_ssh *ssh, struct ff_err *err)
{
	static const char *const native[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
					     "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"};
	const char *allowed = ssh->config->host_key_algorithms;
	struct ff_strv known = FF_STRV_INIT;
	struct ff_buf first = FF_BUF_INIT, rest = FF_BUF_INIT;
	int rc = ff_ssh_known_types(&known, ssh->config);

	for (size_t i = 0; i < sizeof(native) / sizeof(native[0]) && rc == 0; i++) {
		bool is_known = ff_strv_contains(&known, native[i]);

		if (!allowed || in_list(allowed, native[i]))
			rc = ff_buf_addf(is_known ? &first : &rest, "%s,", native[i]);
	}
	if (rc == 0 && known.len && !first.len)
		rc = ff_err_set(err, FF_EUNSUPPORTED, "host key type %s", known.v[0]);
	else if (rc == 0 && rest.len)
		rc = ff_buf_add(&first, ff_buf_data(&rest), rest.len);
	if (rc == 0 && first.len)
		rc = prefer(ssh, LIBSSH2_METHOD_HOSTKEY, ff_buf_str(&first), "HostKeyAlgorithms",
			    err);
	else if (rc == 0)
		rc = ff_err_set(err, FF_EUNSUPPORTED, "HostKeyAlgorithms");
	if (rc == FF_ENOMEM)
		ff_err_set(err, rc, "out of memory");
	ff_strv_release(&known);
	ff_buf_release(&first);
	ff_buf_release(&rest);
	return rc;
}

static int prefer_methods(struct ff_ssh *ssh, struct ff_err *err)
{
	const struct ff_ssh_config *config = ssh->config;
	int rc = prefer_host_keys(ssh, err);

	if (rc == 0 && config->kex)
		rc = prefer(ssh, LIBSSH2_METHOD_KEX, config->kex, "KexAlgorithms", err);
	if (rc == 0 && config->ciphers)
		rc = prefer(ssh, LIBSSH2_METHOD_CRYPT_CS, config->ciphers, "Ciphers", err);
	if (rc == 0 && config->ciphers)
		rc = prefer(ssh, LIBSSH2_METHOD_CRYPT_SC, config->ciphers, "Ciphers", err);
	if (rc == 0 && config->macs)
		rc = prefer(ssh, LIBSSH2_METHOD_MAC_CS, config->macs, "MACs", err);
	if (rc == 0 && config->macs)
		rc = prefer(ssh, LIBSSH2_METHOD_MAC_SC, config->macs, "MACs", err);
	return rc;
}

/* libssh2's callback setter takes every kind of function as a data pointer. */
static void set_callback(LIBSSH2_SESSION *session, int type, void (*function)(void))
{
	void *pointer;

	_Static_assert(sizeof(pointer) == sizeof(function), "POSIX: they convert into each other");
	memcpy(&pointer, &function, sizeof(pointer));
	libssh2_session_callback_set(session, type, pointer);
}

static bool initialized; /* libssh2, which has no lock for it */

static void initialize(void)
{
	initialized = libssh2_init(0) == 0;
}

static int new_session(struct ff_ssh *ssh, struct ff_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, initialize);
	if (!initialized)
		return ff_err_set(err, FF_ENOMEM, "libssh2 cannot be initialized");
	ssh->session = libssh2_session_init_ex(NULL, NULL, NULL, ssh);
	if (!ssh->session)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	libssh2_session_set_blocking(ssh->session, 0);
	set_callback(ssh->session, LIBSSH2_CALLBACK_RECV, (void (*)(void))receive);
	set_callback(ssh->session, LIBSSH2_CALLBACK_SEND, (void (*)(void))transmit);
	if (ssh->config->compression == FF_SSH_YES)
		libssh2_session_flag(ssh->session, LIBSSH2_FLAG_COMPRESS, 1);
	return prefer_methods(ssh, err);
}

int ff_ssh_step_handshake(struct ff_ssh *ssh, struct ff_err *err)
{
	char host[288];
	int rc;

	if (!ssh->session) {
		rc = new_session(ssh, err);
		if (rc < 0)
			return rc;
	}
	rc = libssh2_session_handshake(ssh->session, ssh->socket->fd);
	switch (rc) {
	case 0:
		return 0;
	case LIBSSH2_ERROR_EAGAIN:
		return FF_EAGAIN;
	case LIBSSH2_ERROR_KEX_FAILURE:
	case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
	case LIBSSH2_ERROR_METHOD_NONE:
	case LIBSSH2_ERROR_HOSTKEY_INIT:
		if (ssh->socket_errno == 0)
			return ff_err_set(err, FF_EUNSUPPORTED, "key exchange");
		break;
	}
	/* It was there, and may be again: not the same as not reached. */
	return ff_err_set(err, FF_ELOST, "%s: no ssh handshake: %s", ff_ssh_host_text(ssh, host),
			  ff_ssh_loss_text(ssh));
}

int ff_ssh_step_hostkey(struct ff_ssh *ssh, struct ff_err *err)
{
	size_t len = 0;
	int type;
	const char *blob = libssh2_session_hostkey(ssh->session, &len, &type);

	if (!blob)
		return ff_err_set(err, FF_EHOSTKEY, "the server has shown no host key");
	ff_ssh_set_timeout(ssh, FF_SSH_SETUP_TIMEOUT_S);
	return ff_ssh_known_decide(ssh->config, (const uint8_t *)blob, len, err);
}

static int fail_setup(struct ff_ssh *ssh, const char *what, struct ff_err *err)
{
	char host[288];

	ff_ssh_host_text(ssh, host);
	if (ssh->socket_errno)
		return ff_err_set(err, FF_ELOST, "connection to %s lost: %s", host,
				  ff_ssh_loss_text(ssh));
	return ff_err_set(err, FF_ESPAWN, "%s %s: %s", host, what, ff_ssh_session_error(ssh));
}

int ff_ssh_step_channel(struct ff_ssh *ssh, struct ff_err *err)
{
	static const char type[] = "session";

	ssh->channel = libssh2_channel_open_ex(ssh->session, type, sizeof(type) - 1, FF_SSH_WINDOW,
					       LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0);
	if (ssh->channel)
		return 0;
	if (libssh2_session_last_errno(ssh->session) == LIBSSH2_ERROR_EAGAIN)
		return FF_EAGAIN;
	return fail_setup(ssh, "gives no session", err);
}

/* The nth variable to send: what SetEnv says, then what SendEnv takes from our own environment.
 * NULL: that was all; *skip: this one is not sent. */
static const char *variable(struct ff_ssh *ssh, size_t index, bool *skip)
{
	const struct ff_strv *set = &ssh->config->set_env;
	const struct ff_strv *send = &ssh->config->send_env;
	const char *text;
	char name[256];

	*skip = false;
	if (index < set->len)
		return set->v[index];
	/* environ has no length: the steps come in order, so the one before was not its end. */
	text = send->len ? environ[index - set->len] : NULL;
	if (!text)
		return NULL;
	*skip = true;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "="), text);
	for (size_t i = 0; i < send->len && *skip; i++)
		*skip = fnmatch(send->v[i], name, 0) != 0;
	return text;
}

int ff_ssh_step_environment(struct ff_ssh *ssh, struct ff_err *err)
{
	const char *text;
	bool skip;

	for (; (text = variable(ssh, ssh->env_at, &skip)) != NULL; ssh->env_at++) {
		const char *equals = strchr(text, '=');
		int rc;

		if (skip || !equals)
			continue;
		rc = libssh2_channel_setenv_ex(ssh->channel, text, (unsigned)(equals - text),
					       equals + 1, (unsigned)strlen(equals + 1));
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return FF_EAGAIN;
		/* Most servers accept a few names only; that is no failure. */
		if (rc != 0 && ssh->socket_errno)
			return fail_setup(ssh, "", err);
	}
	return 0;
}

int ff_ssh_step_exec(struct ff_ssh *ssh, struct ff_err *err)
{
	static const char request[] = "exec";
	int rc = libssh2_channel_process_startup(ssh->channel, request, sizeof(request) - 1,
						 ssh->command, (unsigned)strlen(ssh->command));

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return FF_EAGAIN;
	if (rc != 0)
		return fail_setup(ssh, "does not run the command", err);
	ff_ssh_set_timeout(ssh, 0);
	return 0;
}

void ff_ssh_session_release(struct ff_ssh *ssh)
{
	int tries = 0;

	if (ssh->session) {
		ssh->recv_budget = FF_SSH_RECV_BUDGET;
		if (ssh->state > FF_SSH_HOSTKEY && !ssh->socket_errno)
			libssh2_session_disconnect(ssh->session, "done");
		/* With the socket shut nothing can block the library any more. */
		shutdown(ssh->socket->fd, SHUT_RDWR);
		while (libssh2_session_free(ssh->session) == LIBSSH2_ERROR_EAGAIN &&
		       tries++ < FREE_TRIES)
			;
	}
	ssh->session = NULL;
	ssh->channel = NULL;
	ff_free(ssh->write_mem);
	ff_free(ssh->read_mem);
	ssh->write_mem = ssh->read_mem = NULL;
}

/* Which keys to try, and trying them: the agent's first, then key files, as ssh does. What the
 * library can't sign with is left to the program; nothing ever asks the user. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "transport/ssh_session.h"

static const char *agent_path(const struct ff_ssh_config *config)
{
	const char *path = config->identity_agent;

	if (path && !strcmp(path, "none"))
		return NULL;
	if (!path || !strcmp(path, "SSH_AUTH_SOCK"))
		path = getenv("SSH_AUTH_SOCK");
	else if (path[0] == '$')
		path = getenv(path + 1);
	return path && *path ? path : NULL;
}

static bool same_key(const struct ff_ssh_key *key, const uint8_t *blob, size_t len)
{
	return key->blob && key->blob_len == len && !memcmp(key->blob, blob, len);
}

static bool is_candidate(const struct ff_ssh_auth *auth, const uint8_t *blob, size_t len)
{
	for (size_t i = 0; i < auth->count; i++) {
		if (same_key(&auth->keys[i].key, blob, len))
			return true;
	}
	return false;
}

/* A key of the agent's, once. */
static void add_agent_key(struct ff_ssh_auth *auth, const uint8_t *blob, size_t len)
{
	struct ff_ssh_candidate *candidate = &auth->keys[auth->count];
	char type[FF_SSH_TYPE_MAX];

	if (auth->count == FF_SSH_KEYS_MAX || len > FF_SSH_BLOB_MAX ||
	    is_candidate(auth, blob, len))
		return;
	ff_ssh_blob_type(blob, len, type);
	if (!ff_ssh_type_is_native(type)) {
		auth->program = "key in the agent of a type the library can't use";
		return;
	}
	candidate->key.blob = ff_malloc(len);
	if (!candidate->key.blob)
		return;
	memcpy(candidate->key.blob, blob, len);
	candidate->key.blob_len = len;
	candidate->path = NULL;
	auth->count++;
	auth->agent_keys++;
}

/* Keys the user has named come first, in his order; others only if he allows it. */
static void take_agent_list(struct ff_ssh *ssh, struct ff_ssh_reader answer)
{
	struct ff_ssh_auth *auth = &ssh->auth;
	uint32_t count;
	const uint8_t *blob;
	size_t len;

	if (!ff_ssh_get_u32(&answer, &count))
		return;
	for (size_t i = 0; i < auth->file_count; i++) {
		struct ff_ssh_reader keys = answer;

		while (ff_ssh_agent_next_key(&keys, &blob, &len)) {
			if (same_key(&auth->files[i], blob, len))
				add_agent_key(auth, blob, len);
		}
	}
	if (ssh->config->identities_only == FF_SSH_YES)
		return;
	while (ff_ssh_agent_next_key(&answer, &blob, &len))
		add_agent_key(auth, blob, len);
}

/* May be called from inside the library (signing flushes the question): only takes note. */
static void agent_answered(struct ff_ssh_agent *agent)
{
	struct ff_ssh *ssh = agent->ctx;
	struct ff_ssh_auth *auth = &ssh->auth;
	const uint8_t *signature;
	size_t len;

	if (!auth->listed) {
		auth->listed = true;
		if (!agent->failed)
			take_agent_list(ssh, agent->answer);
	} else if (auth->asked && !agent->failed &&
		   ff_ssh_agent_signature(agent->answer, &signature, &len)) {
		/* The library frees it with free(). */
		auth->signature = ff_malloc(len);
		if (auth->signature)
			memcpy(auth->signature, signature, len);
		auth->signature_len = len;
	}
	ff_ssh_kick(ssh);
}

static void agent_closed(struct ff_ssh_agent *agent)
{
	ff_ssh_handle_closed(agent->ctx);
}

static int load_files(struct ff_ssh *ssh)
{
	const struct ff_strv *paths = &ssh->config->identity_files;
	struct ff_ssh_auth *auth = &ssh->auth;

	for (size_t i = 0; i < paths->len && i < FF_SSH_KEYS_MAX; i++) {
		int rc = ff_ssh_key_load(&auth->files[i], paths->v[i]);

		auth->file_count = i + 1;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void add_file_keys(struct ff_ssh *ssh)
{
	struct ff_ssh_auth *auth = &ssh->auth;

	for (size_t i = 0; i < auth->file_count; i++) {
		const struct ff_ssh_key *key = &auth->files[i];

		if (key->blob && is_candidate(auth, key->blob, key->blob_len))
			continue;
		if (key->kind == FF_SSH_KEY_PROGRAM)
			auth->program = key->note;
		if (key->kind != FF_SSH_KEY_NATIVE || auth->count == FF_SSH_KEYS_MAX)
			continue;
		auth->keys[auth->count++].path = ssh->config->identity_files.v[i];
	}
}

static void ask_agent(struct ff_ssh *ssh)
{
	struct ff_ssh_auth *auth = &ssh->auth;
	const char *path = agent_path(ssh->config);

	auth->agent.ctx = ssh;
	auth->agent.answered = agent_answered;
	auth->agent.closed = agent_closed;
	if (!path || ff_ssh_agent_open(&auth->agent, ssh->conn->loop, path, NULL) < 0) {
		auth->listed = true;
		return;
	}
	ssh->handles++;
	if (ff_ssh_agent_list(&auth->agent) < 0)
		auth->listed = true;
}

int ff_ssh_step_keys(struct ff_ssh *ssh, struct ff_err *err)
{
	struct ff_ssh_auth *auth = &ssh->auth;

	if (!ff_ssh_config_wants_keys(ssh->config))
		return 0;
	if (!auth->begun) {
		auth->begun = true;
		if (load_files(ssh) < 0)
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		ask_agent(ssh);
	}
	if (!auth->listed)
		return FF_EAGAIN;
	add_file_keys(ssh);
	if (auth->count == 0 && auth->program)
		return ff_err_set(err, FF_EUNSUPPORTED, "%s", auth->program);
	return 0;
}

int ff_ssh_step_auth_none(struct ff_ssh *ssh, struct ff_err *err)
{
	const char *user = ssh->config->user;
	char host[288];
	char *methods;

	methods = libssh2_userauth_list(ssh->session, user, (unsigned)strlen(user));
	if (methods) {
		ssh->auth.methods = ff_strdup(methods);
		return ssh->auth.methods ? 0 : ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	if (libssh2_userauth_authenticated(ssh->session))
		return 0;
	if (libssh2_session_last_errno(ssh->session) == LIBSSH2_ERROR_EAGAIN)
		return FF_EAGAIN;
	return ff_err_set(err, ssh->socket_errno ? FF_ELOST : FF_EAUTH,
			  "%s: no authentication: %s", ff_ssh_host_text(ssh, host),
			  ff_ssh_loss_text(ssh));
}

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(sign_with_agent)
{
	struct ff_ssh *ssh = *abstract;
	struct ff_ssh_auth *auth = &ssh->auth;

	if (auth->signature) {
		*sig = auth->signature;
		*sig_len = auth->signature_len;
		auth->signature = NULL;
		auth->asked = false;
		return 0;
	}
	if (!auth->asked && !auth->agent.failed) {
		auth->asked = true;
		if (ff_ssh_agent_sign(&auth->agent, &auth->keys[auth->at].key, data, data_len) == 0)
			return LIBSSH2_ERROR_EAGAIN;
	} else if (auth->agent.expect != 0) {
		return LIBSSH2_ERROR_EAGAIN;
	}
	auth->asked = false;
	return LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;
}

static int try_key(struct ff_ssh *ssh, const struct ff_ssh_candidate *candidate)
{
	const char *user = ssh->config->user;

	if (candidate->path)
		return libssh2_userauth_publickey_fromfile_ex(
			ssh->session, user, (unsigned)strlen(user), NULL, candidate->path, "");
	return libssh2_userauth_publickey(ssh->session, user, candidate->key.blob,
					  candidate->key.blob_len, sign_with_agent,
					  &ssh->auth.agent.ctx);
}

static void add_word(struct ff_buf *text, const char *word, const char *note)
{
	ff_buf_addf(text, "%s%s (%s)", text->len ? ", " : "", word, note);
}

static int fail_auth(struct ff_ssh *ssh, struct ff_err *err)
{
	const struct ff_ssh_auth *auth = &ssh->auth;
	const struct ff_strv *paths = &ssh->config->identity_files;
	struct ff_buf text = FF_BUF_INIT;
	char host[288];
	const char *words;

	for (size_t i = auth->agent_keys; i < auth->count; i++)
		add_word(&text, auth->keys[i].path, "publickey");
	if (auth->agent_keys)
		ff_buf_addf(&text, "%sagent (%zu key%s)", text.len ? ", " : "", auth->agent_keys,
			    auth->agent_keys == 1 ? "" : "s");
	for (size_t i = 0; i < auth->file_count; i++) {
		if (auth->files[i].kind == FF_SSH_KEY_LOCKED)
			add_word(&text, paths->v[i], "not tried: it has a passphrase");
		else if (auth->files[i].kind == FF_SSH_KEY_BAD)
			add_word(&text, paths->v[i], auth->files[i].note);
	}
	words = ff_buf_str(&text);
	ff_err_set(err, FF_EAUTH, "%s@%s %s%s%s; server allows %s", ssh->config->user,
		   ff_ssh_host_text(ssh, host),
		   auth->count ? "refused all keys tried" : "lets nobody in without a key we have",
		   words && *words ? ": " : "", words ? words : "",
		   auth->methods ? auth->methods : "nothing");
	ff_buf_release(&text);
	return FF_EAUTH;
}

/* All keys were tried in vain: is there a way left that the program knows? */
static int give_up(struct ff_ssh *ssh, struct ff_err *err)
{
	const struct ff_ssh_auth *auth = &ssh->auth;
	const char *methods = auth->methods ? auth->methods : "";

	if (auth->program)
		return ff_err_set(err, FF_EUNSUPPORTED, "%s", auth->program);
	if (ssh->config->gssapi_auth == FF_SSH_YES && strstr(methods, "gssapi"))
		return ff_err_set(err, FF_EUNSUPPORTED, "GSSAPIAuthentication");
	if (ssh->config->hostbased_auth == FF_SSH_YES && strstr(methods, "hostbased"))
		return ff_err_set(err, FF_EUNSUPPORTED, "HostbasedAuthentication");
	return fail_auth(ssh, err);
}

int ff_ssh_step_auth_keys(struct ff_ssh *ssh, struct ff_err *err)
{
	struct ff_ssh_auth *auth = &ssh->auth;
	bool allowed = auth->methods && strstr(auth->methods, "publickey");
	char host[288];

	if (libssh2_userauth_authenticated(ssh->session))
		return 0;
	for (; allowed && auth->at < auth->count; auth->at++) {
		int rc = try_key(ssh, &auth->keys[auth->at]);

		if (rc == 0)
			return 0;
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return FF_EAGAIN;
		if (ssh->socket_errno || rc == LIBSSH2_ERROR_SOCKET_DISCONNECT)
			return ff_err_set(err, FF_EAUTH,
					  "%s@%s: the server hung up after %zu of %zu keys tried",
					  ssh->config->user, ff_ssh_host_text(ssh, host),
					  auth->at + 1, auth->count);
		if (rc == LIBSSH2_ERROR_FILE || rc == LIBSSH2_ERROR_METHOD_NOT_SUPPORTED)
			auth->program = "key file format";
	}
	return give_up(ssh, err);
}

void ff_ssh_auth_release(struct ff_ssh *ssh)
{
	struct ff_ssh_auth *auth = &ssh->auth;

	if (auth->agent.open)
		ff_ssh_agent_close(&auth->agent);
	for (size_t i = 0; i < auth->count; i++)
		ff_ssh_key_release(&auth->keys[i].key);
	for (size_t i = 0; i < auth->file_count; i++)
		ff_ssh_key_release(&auth->files[i]);
	ff_free(auth->methods);
	ff_free(auth->signature);
	auth->methods = NULL;
	auth->signature = NULL;
	auth->count = auth->file_count = 0;
}

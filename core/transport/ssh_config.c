/* ssh's options as the library driver needs them: a table of the keys it understands, and one of
 * those that only the `ssh` program can serve. Reads no file and runs no program. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "transport/ssh_config.h"

enum {
	PORT_DEFAULT = 22,
	PASSWD_MAX = 16384,
	PATH_TEXT_MAX = 4096,
};

enum kind {
	TEXT,
	NUMBER,
	FLAG,
	EACH,  /* one value a line, several lines */
	WORDS, /* several values in one line */
};

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
} keys[] = {
#define K(name, kind, member)                                                                      \
	{                                                                                          \
		name, kind, offsetof(struct ff_ssh_config, member)                                 \
	}
	K("host", TEXT, host),
	K("user", TEXT, user),
	K("hostname", TEXT, hostname),
	K("port", NUMBER, port),
	K("hostkeyalias", TEXT, host_key_alias),
	K("bindaddress", TEXT, bind_address),
	K("addressfamily", TEXT, address_family),
	K("connecttimeout", NUMBER, connect_timeout_s),
	K("stricthostkeychecking", TEXT, strict),
	K("identityagent", TEXT, identity_agent),
	K("preferredauthentications", TEXT, preferred_auth),
	K("controlpath", TEXT, control_path),
	K("ciphers", TEXT, ciphers),
	K("macs", TEXT, macs),
	K("kexalgorithms", TEXT, kex),
	K("hostkeyalgorithms", TEXT, host_key_algorithms),
	K("identitiesonly", FLAG, identities_only),
	K("pubkeyauthentication", FLAG, pubkey_auth),
	K("gssapiauthentication", FLAG, gssapi_auth),
	K("hostbasedauthentication", FLAG, hostbased_auth),
	K("compression", FLAG, compression),
	K("hashknownhosts", FLAG, hash_known_hosts),
	K("tcpkeepalive", FLAG, tcp_keepalive),
	K("identityfile", EACH, identity_files),
	K("sendenv", EACH, send_env),
	K("setenv", EACH, set_env),
	K("userknownhostsfile", WORDS, user_known_hosts),
	K("globalknownhostsfile", WORDS, global_known_hosts),
#undef K
};

/* Switched on, these need the program. */
static const struct {
	const char *name;
	const char *reason;
} program_keys[] = {
	{"proxyjump", "ProxyJump"},
	{"proxycommand", "ProxyCommand"},
	{"certificatefile", "CertificateFile"},
	{"pkcs11provider", "PKCS11Provider"},
	{"forwardagent", "ForwardAgent"},
	{"forwardx11", "ForwardX11"},
	{"localforward", "LocalForward"},
	{"remoteforward", "RemoteForward"},
	{"dynamicforward", "DynamicForward"},
	{"tunnel", "Tunnel"},
	{"bindinterface", "BindInterface"},
	{"knownhostscommand", "KnownHostsCommand"},
	{"revokedhostkeys", "RevokedHostKeys"},
	{"verifyhostkeydns", "VerifyHostKeyDNS"},
	{"nohostauthenticationforlocalhost", "NoHostAuthenticationForLocalhost"},
};

static const char *const identity_defaults[] = {
	"~/.ssh/id_rsa",     "~/.ssh/id_ecdsa",	     "~/.ssh/id_ecdsa_sk",
	"~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk", NULL,
};

struct ff_ssh_config *ff_ssh_config_new(void)
{
	struct ff_ssh_config *config = ff_calloc(1, sizeof(*config));

	if (config)
		config->refs = 1;
	return config;
}

struct ff_ssh_config *ff_ssh_config_ref(struct ff_ssh_config *config)
{
	config->refs++;
	return config;
}

void ff_ssh_config_unref(struct ff_ssh_config *config)
{
	if (!config || --config->refs > 0)
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char *member = (char *)config + keys[i].offset;

		if (keys[i].kind == TEXT)
			ff_free(*(char **)(void *)member);
		else if (keys[i].kind == EACH || keys[i].kind == WORDS)
			ff_strv_release((struct ff_strv *)(void *)member);
	}
	ff_free(config->prefix);
	ff_free(config->program);
	ff_free(config);
}

void ff_ssh_config_need_program(struct ff_ssh_config *config, const char *reason)
{
	if (!config->program)
		config->program = ff_strdup(reason);
}

static bool is_off(const char *value)
{
	return !*value || !strcasecmp(value, "none") || !strcasecmp(value, "no") ||
	       !strcasecmp(value, "false") || !strcasecmp(value, "off");
}

static int set_number(long *member, const char *key, const char *value, struct ff_err *err)
{
	char *end;
	long number;

	if (*member || is_off(value))
		return 0;
	errno = 0;
	number = strtol(value, &end, 10);
	if (errno || *end || end == value || number < 0)
		return ff_err_set(err, FF_ECONFIG, "ssh option %s: '%s' is no number", key, value);
	*member = number;
	return 0;
}

static int set_words(struct ff_strv *member, const char *value)
{
	return member->len ? 0 : ff_strv_split_blanks(member, value);
}

static int set_known(struct ff_ssh_config *config, const struct key *key, const char *value,
		     struct ff_err *err)
{
	void *member = (char *)config + key->offset;
	char **text = member;
	int *flag = member;

	switch (key->kind) {
	case TEXT:
		if (*text)
			return 0;
		*text = ff_strdup(value);
		return *text ? 0 : FF_ENOMEM;
	case NUMBER:
		return set_number(member, key->name, value, err);
	case FLAG:
		if (*flag == FF_SSH_UNSET)
			*flag = is_off(value) ? FF_SSH_NO : FF_SSH_YES;
		return 0;
	case EACH:
		return ff_strv_add(member, value);
	case WORDS:
		return set_words(member, value);
	}
	return FF_EINVAL;
}

int ff_ssh_config_set(struct ff_ssh_config *config, const char *key, const char *value,
		      struct ff_err *err)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int rc;

		if (strcmp(keys[i].name, key))
			continue;
		rc = set_known(config, &keys[i], value, err);
		return rc == FF_ENOMEM ? ff_err_set(err, rc, "out of memory") : rc;
	}
	for (size_t i = 0; i < sizeof(program_keys) / sizeof(program_keys[0]); i++) {
		if (!strcmp(program_keys[i].name, key) && !is_off(value))
			ff_ssh_config_need_program(config, program_keys[i].reason);
	}
	return 0;
}

int ff_ssh_config_parse(struct ff_ssh_config *config, const char *text, struct ff_err *err)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = ff_strndup(text, len);
		char *value;
		int rc = 0;

		if (!line)
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		value = strchr(line, ' ');
		if (value) {
			*value++ = '\0';
			rc = ff_ssh_config_set(config, line, value, err);
		}
		ff_free(line);
		if (rc < 0)
			return rc;
		text += len + (text[len] == '\n');
	}
	return 0;
}

enum ff_ssh_strict ff_ssh_config_strict(const struct ff_ssh_config *config)
{
	if (!config->strict || !strcasecmp(config->strict, "ask"))
		return FF_SSH_STRICT_ASK;
	if (!strcasecmp(config->strict, "accept-new") || is_off(config->strict))
		return FF_SSH_STRICT_ACCEPT_NEW;
	return FF_SSH_STRICT_YES;
}

bool ff_ssh_config_wants_keys(const struct ff_ssh_config *config)
{
	if (config->pubkey_auth == FF_SSH_NO)
		return false;
	return !config->preferred_auth || strstr(config->preferred_auth, "publickey");
}

bool ff_ssh_config_master(const struct ff_ssh_config *config)
{
	struct stat st;

	return config->control_path && !is_off(config->control_path) &&
	       stat(config->control_path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The user's home and name as the password database has them: ssh does not ask $HOME either. */
static int add_passwd(struct ff_buf *out, bool home)
{
	char store[PASSWD_MAX];
	struct passwd pw, *found = NULL;
	const char *text;

	if (getpwuid_r(getuid(), &pw, store, sizeof(store), &found) == 0 && found)
		return ff_buf_addstr(out, home ? pw.pw_dir : pw.pw_name);
	text = getenv(home ? "HOME" : "USER");
	return ff_buf_addstr(out, text ? text : "");
}

static int add_token(struct ff_buf *out, struct ff_ssh_config *config, char token)
{
	char local[256] = "";

	switch (token) {
	case '%':
		return ff_buf_addch(out, '%');
	case 'd':
		return add_passwd(out, true);
	case 'u':
		return add_passwd(out, false);
	case 'h':
		return ff_buf_addstr(out, config->hostname);
	case 'k':
		return ff_buf_addstr(out, config->host_key_alias ? config->host_key_alias
								 : config->host);
	case 'n':
		return ff_buf_addstr(out, config->host);
	case 'p':
		return ff_buf_addf(out, "%ld", config->port);
	case 'r':
		return ff_buf_addstr(out, config->user);
	case 'i':
		return ff_buf_addf(out, "%lu", (unsigned long)getuid());
	case 'l':
	case 'L':
		gethostname(local, sizeof(local) - 1);
		if (token == 'L')
			local[strcspn(local, ".")] = '\0';
		return ff_buf_addstr(out, local);
	default:
		ff_ssh_config_need_program(config, "%-token in a file name");
		return 0;
	}
}

/* ${NAME}; `text` stands behind the '$'. Returns what follows, NULL if it is no such thing. */
static const char *add_variable(struct ff_buf *out, const char *text)
{
	const char *end = text[0] == '{' ? strchr(text, '}') : NULL;
	char name[256];
	const char *value;

	if (!end || (size_t)(end - text) >= sizeof(name))
		return NULL;
	memcpy(name, text + 1, (size_t)(end - text - 1));
	name[end - text - 1] = '\0';
	value = getenv(name);
	if (value && ff_buf_addstr(out, value) < 0)
		return NULL;
	return end + 1;
}

/* A file name as ssh understands it; malloc'd, NULL when out of memory. */
static char *expand(struct ff_ssh_config *config, const char *text)
{
	struct ff_buf out;
	const char *next;
	int rc = 0;

	ff_buf_init(&out, PATH_TEXT_MAX);
	if (text[0] == '~' && text[1] == '/') {
		rc = add_passwd(&out, true);
		text++;
	}
	while (*text && rc == 0) {
		next = text[0] == '$' ? add_variable(&out, text + 1) : NULL;
		if (next) {
			text = next;
		} else if (text[0] == '%' && text[1]) {
			rc = add_token(&out, config, text[1]);
			text += 2;
		} else {
			rc = ff_buf_addch(&out, *text++);
		}
	}
	if (rc < 0) {
		ff_buf_release(&out);
		return NULL;
	}
	return ff_buf_take(&out);
}

static int expand_text(struct ff_ssh_config *config, char **text)
{
	char *full = *text ? expand(config, *text) : NULL;

	if (*text && !full)
		return FF_ENOMEM;
	ff_free(*text);
	*text = full;
	return 0;
}

static int expand_all(struct ff_ssh_config *config, struct ff_strv *files)
{
	int rc = 0;

	for (size_t i = 0; i < files->len && rc == 0; i++)
		rc = expand_text(config, &files->v[i]);
	return rc;
}

static int default_text(char **member, const char *value)
{
	if (!*member)
		*member = ff_strdup(value);
	return *member ? 0 : FF_ENOMEM;
}

static int fill_defaults(struct ff_ssh_config *config)
{
	int rc = default_text(&config->host, "");

	if (rc == 0)
		rc = default_text(&config->hostname, config->host);
	if (rc == 0)
		rc = default_text(&config->user, "%u");
	if (rc == 0)
		rc = default_text(&config->prefix, "");
	if (config->port == 0)
		config->port = PORT_DEFAULT;
	if (rc == 0 && config->identity_files.len == 0)
		rc = ff_strv_add_all(&config->identity_files, (char *const *)identity_defaults);
	if (rc == 0)
		rc = set_words(&config->user_known_hosts, "~/.ssh/known_hosts ~/.ssh/known_hosts2");
	if (rc == 0)
		rc = set_words(&config->global_known_hosts,
			       "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2");
	return rc;
}

int ff_ssh_config_finish(struct ff_ssh_config *config, struct ff_err *err)
{
	int rc = fill_defaults(config);

	if (rc == 0 && !strcmp(config->user, "%u"))
		rc = expand_text(config, &config->user);
	if (rc == 0 && config->port > UINT16_MAX)
		return ff_err_set(err, FF_ECONFIG, "ssh option port: %ld is no port", config->port);
	if (rc == 0)
		rc = expand_all(config, &config->identity_files);
	if (rc == 0)
		rc = expand_all(config, &config->user_known_hosts);
	if (rc == 0)
		rc = expand_all(config, &config->global_known_hosts);
	if (rc == 0)
		rc = expand_text(config, &config->control_path);
	if (rc == 0 && config->identity_agent && strcmp(config->identity_agent, "SSH_AUTH_SOCK"))
		rc = expand_text(config, &config->identity_agent);
	return rc < 0 ? ff_err_set(err, rc, "out of memory") : 0;
}

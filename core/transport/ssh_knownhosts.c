/* known_hosts files. Nothing here knows a connection; what is read may be garbage. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "transport/ssh_knownhosts.h"

enum {
	SHA1_SIZE = 20,
	LINE_MAX_BYTES = 65536,
	PORT_DEFAULT = 22,
};

static const char hash_magic[] = "|1|";

static const char *next_field(const char *at, const char **field, size_t *len)
{
	at += strspn(at, " \t");
	*field = at;
	*len = strcspn(at, " \t\r\n");
	return at + *len;
}

bool ff_ssh_known_parse(struct ff_ssh_known_line *parsed, const char *line)
{
	const char *at = next_field(line, &parsed->hosts, &parsed->hosts_len);

	parsed->marker = FF_SSH_MARK_NONE;
	if (parsed->hosts_len == 0 || parsed->hosts[0] == '#')
		return false;
	if (parsed->hosts[0] == '@') {
		bool revoked = parsed->hosts_len == strlen("@revoked") &&
			       !strncmp(parsed->hosts, "@revoked", parsed->hosts_len);

		parsed->marker = revoked ? FF_SSH_MARK_REVOKED : FF_SSH_MARK_OTHER;
		at = next_field(at, &parsed->hosts, &parsed->hosts_len);
	}
	at = next_field(at, &parsed->type, &parsed->type_len);
	next_field(at, &parsed->key, &parsed->key_len);
	return parsed->key_len > 0 && parsed->type_len < FF_SSH_TYPE_MAX;
}

/* Shell-like, with * and ? only, letters of either case. */
static bool glob(const char *pattern, size_t len, const char *name)
{
	for (; len > 0; pattern++, len--) {
		if (*pattern == '*') {
			for (;; name++) {
				if (glob(pattern + 1, len - 1, name))
					return true;
				if (!*name)
					return false;
			}
		}
		if (!*name || (*pattern != '?' && tolower((unsigned char)*pattern) != *name))
			return false;
		name++;
	}
	return !*name;
}

static void hash_name(const uint8_t *salt, size_t salt_len, const char *name, uint8_t *digest)
{
	unsigned int size = 0;

	HMAC(EVP_sha1(), salt, (int)salt_len, (const uint8_t *)name, strlen(name), digest, &size);
}

/* |1|salt|hash */
static bool match_hashed(const char *text, size_t len, const char *name)
{
	const char *bar = memchr(text, '|', len);
	uint8_t digest[EVP_MAX_MD_SIZE];
	uint8_t *salt, *hash;
	size_t salt_len = 0, hash_len = 0;
	bool same = false;

	if (!bar)
		return false;
	salt = ff_ssh_base64_decode(text, (size_t)(bar - text), &salt_len);
	hash = ff_ssh_base64_decode(bar + 1, len - (size_t)(bar + 1 - text), &hash_len);
	if (salt && hash && hash_len == SHA1_SIZE) {
		hash_name(salt, salt_len, name, digest);
		same = !memcmp(digest, hash, SHA1_SIZE);
	}
	ff_free(salt);
	ff_free(hash);
	return same;
}

bool ff_ssh_known_match(const char *hosts, size_t len, const char *name)
{
	const char *end = hosts + len;
	bool found = false;

	if (len > strlen(hash_magic) && !strncmp(hosts, hash_magic, strlen(hash_magic)))
		return match_hashed(hosts + strlen(hash_magic), len - strlen(hash_magic), name);
	while (hosts < end) {
		const char *comma = memchr(hosts, ',', (size_t)(end - hosts));
		const char *stop = comma ? comma : end;
		bool negated = *hosts == '!';

		if (glob(hosts + negated, (size_t)(stop - hosts) - negated, name)) {
			if (negated)
				return false;
			found = true;
		}
		hosts = stop + 1;
	}
	return found;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

char *ff_ssh_known_name(const struct ff_ssh_config *config)
{
	char *name;

	if (config->host_key_alias)
		name = ff_strdup(config->host_key_alias);
	else if (config->port != PORT_DEFAULT)
		name = ff_asprintf("[%s]:%ld", config->hostname, config->port);
	else
		name = ff_strdup(config->hostname);
	if (name)
		lower(name);
	return name;
}

/* A line about the host. */
struct entry {
	const char *file;
	unsigned line;
	enum ff_ssh_marker marker;
	char type[FF_SSH_TYPE_MAX];
	const uint8_t *blob;
	size_t len;
};

struct walk {
	const char *name;
	void (*visit)(const struct entry *entry, void *ctx);
	void *ctx;
};

static void walk_line(const struct walk *walk, const char *file, unsigned number, const char *line)
{
	struct entry entry = {.file = file, .line = number};
	struct ff_ssh_known_line parsed;
	uint8_t *blob;

	if (!ff_ssh_known_parse(&parsed, line) || parsed.marker == FF_SSH_MARK_OTHER ||
	    !ff_ssh_known_match(parsed.hosts, parsed.hosts_len, walk->name))
		return;
	blob = ff_ssh_base64_decode(parsed.key, parsed.key_len, &entry.len);
	if (!blob)
		return;
	entry.marker = parsed.marker;
	entry.blob = blob;
	memcpy(entry.type, parsed.type, parsed.type_len);
	entry.type[parsed.type_len] = '\0';
	walk->visit(&entry, walk->ctx);
	ff_free(blob);
}

static void walk_file(const struct walk *walk, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
	char *line = ff_malloc(LINE_MAX_BYTES);
	unsigned number = 0;
	bool continued = false;

	while (file && line && fgets(line, LINE_MAX_BYTES, file)) {
		bool whole = strchr(line, '\n') || feof(file);

		/* Of an over-long line nothing counts. */
		if (!continued)
			number++;
		if (!continued && whole)
			walk_line(walk, path, number, line);
		continued = !whole;
	}
	ff_free(line);
	if (file)
		fclose(file);
	else if (fd >= 0)
		close(fd);
}

static void walk_all(const struct walk *walk, const struct ff_ssh_config *config)
{
	const struct ff_strv *const lists[] = {&config->user_known_hosts,
					       &config->global_known_hosts};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (size_t k = 0; k < lists[i]->len; k++)
			walk_file(walk, lists[i]->v[k]);
	}
}

struct check {
	struct ff_ssh_finding *finding;
	const uint8_t *blob;
	size_t len;
	char type[FF_SSH_TYPE_MAX];
};

static void visit_check(const struct entry *entry, void *ctx)
{
	struct check *check = ctx;
	struct ff_ssh_finding *finding = check->finding;
	bool same = entry->len == check->len && !memcmp(entry->blob, check->blob, entry->len);
	enum ff_ssh_verdict verdict;

	if (entry->marker == FF_SSH_MARK_REVOKED) {
		if (!same)
			return;
		verdict = FF_SSH_REVOKED;
	} else if (same) {
		verdict = FF_SSH_KNOWN;
	} else {
		verdict = strcmp(entry->type, check->type) ? FF_SSH_OTHER_TYPES : FF_SSH_CHANGED;
	}
	/* A revocation outweighs all, a matching line what does not match. */
	if (finding->verdict == FF_SSH_REVOKED ||
	    (finding->verdict == FF_SSH_KNOWN && verdict != FF_SSH_REVOKED) ||
	    (finding->verdict == FF_SSH_CHANGED && verdict != FF_SSH_KNOWN &&
	     verdict != FF_SSH_REVOKED))
		return;
	finding->verdict = verdict;
	snprintf(finding->file, sizeof(finding->file), "%s", entry->file);
	finding->line = entry->line;
	memcpy(finding->type, entry->type, sizeof(finding->type));
	ff_ssh_fingerprint(entry->blob, entry->len, finding->fingerprint);
}

int ff_ssh_known_check(struct ff_ssh_finding *finding, const struct ff_ssh_config *config,
		       const uint8_t *blob, size_t len)
{
	struct check check = {finding, blob, len, ""};
	struct walk walk = {ff_ssh_known_name(config), visit_check, &check};
	struct ff_ssh_finding bare = {.verdict = FF_SSH_UNKNOWN};
	char *host;

	if (!walk.name)
		return FF_ENOMEM;
	memset(finding, 0, sizeof(*finding));
	finding->verdict = FF_SSH_UNKNOWN;
	ff_ssh_blob_type(blob, len, check.type);
	walk_all(&walk, config);
	ff_free((char *)walk.name);

	/* As ssh does: behind another port the very key known for the bare name is good, too. */
	if (finding->verdict != FF_SSH_UNKNOWN || config->port == PORT_DEFAULT ||
	    config->host_key_alias)
		return 0;
	host = ff_strdup(config->hostname);
	if (!host)
		return FF_ENOMEM;
	lower(host);
	check.finding = &bare;
	walk.name = host;
	walk_all(&walk, config);
	ff_free(host);
	if (bare.verdict == FF_SSH_KNOWN || bare.verdict == FF_SSH_REVOKED)
		*finding = bare;
	return 0;
}

struct collect {
	struct ff_strv *types;
	int rc;
};

static void visit_type(const struct entry *entry, void *ctx)
{
	struct collect *collect = ctx;

	if (collect->rc == 0 && entry->marker == FF_SSH_MARK_NONE &&
	    !ff_strv_contains(collect->types, entry->type))
		collect->rc = ff_strv_add(collect->types, entry->type);
}

int ff_ssh_known_types(struct ff_strv *types, const struct ff_ssh_config *config)
{
	struct collect collect = {types, 0};
	struct walk walk = {ff_ssh_known_name(config), visit_type, &collect};

	if (!walk.name)
		return FF_ENOMEM;
	walk_all(&walk, config);
	ff_free((char *)walk.name);
	return collect.rc;
}

/* The hosts field of a new line: hashed if the user wants that. */
static int add_hosts(struct ff_buf *line, const char *name, bool hashed)
{
	uint8_t salt[SHA1_SIZE], digest[EVP_MAX_MD_SIZE];
	char *salt_text, *hash_text;
	int rc = FF_ENOMEM;

	if (!hashed || RAND_bytes(salt, sizeof(salt)) != 1)
		return ff_buf_addstr(line, name);
	hash_name(salt, sizeof(salt), name, digest);
	salt_text = ff_ssh_base64_encode(salt, sizeof(salt));
	hash_text = ff_ssh_base64_encode(digest, SHA1_SIZE);
	if (salt_text && hash_text)
		rc = ff_buf_addf(line, "%s%s|%s", hash_magic, salt_text, hash_text);
	ff_free(salt_text);
	ff_free(hash_text);
	return rc;
}

static int build_line(struct ff_buf *line, const struct ff_ssh_config *config, const uint8_t *blob,
		      size_t len)
{
	char type[FF_SSH_TYPE_MAX];
	char *name = ff_ssh_known_name(config);
	char *encoded = ff_ssh_base64_encode(blob, len);
	int rc = FF_ENOMEM;

	ff_ssh_blob_type(blob, len, type);
	if (name && encoded) {
		rc = add_hosts(line, name, config->hash_known_hosts == FF_SSH_YES);
		if (rc == 0)
			rc = ff_buf_addf(line, " %s %s\n", type, encoded);
	}
	ff_free(name);
	ff_free(encoded);
	return rc;
}

/* Opens `path` for appending, making its folder (only the last one, as ssh does). */
static int open_for_append(const char *path)
{
	const int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags, 0600);
	const char *slash = strrchr(path, '/');
	char *folder;

	if (fd >= 0 || errno != ENOENT || !slash || slash == path)
		return fd;
	folder = ff_strndup(path, (size_t)(slash - path));
	if (folder && mkdir(folder, 0700) == 0)
		fd = open(path, flags, 0600);
	ff_free(folder);
	return fd;
}

static bool ends_without_newline(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

int ff_ssh_known_add(const struct ff_ssh_config *config, const uint8_t *blob, size_t len,
		     struct ff_err *err)
{
	struct ff_buf line = FF_BUF_INIT;
	const char *path;
	int fd, rc = 0;

	if (config->user_known_hosts.len == 0)
		return 0;
	path = config->user_known_hosts.v[0];
	if (!strcmp(path, "none"))
		return 0;
	fd = open_for_append(path);
	if (fd < 0)
		return ff_err_sys(err, errno, "%s", path);
	if (ends_without_newline(fd))
		rc = ff_buf_addch(&line, '\n');
	if (rc == 0)
		rc = build_line(&line, config, blob, len);
	if (rc < 0)
		ff_err_set(err, rc, "out of memory");
	else if (write(fd, ff_buf_data(&line), line.len) != (ssize_t)line.len)
		rc = ff_err_sys(err, errno, "%s", path);
	close(fd);
	ff_buf_release(&line);
	return rc;
}

/* "build1:22 (ssh-ed25519 SHA256:…)" in its parts. */
struct offer {
	const char *host;
	long port;
	char type[FF_SSH_TYPE_MAX];
	char fingerprint[FF_SSH_FINGERPRINT_MAX];
};

static int refuse_unknown(const struct ff_ssh_config *config, const struct offer *offer,
			  struct ff_err *err)
{
	struct ff_buf files = FF_BUF_INIT;
	const char *text;

	for (size_t i = 0; i < config->user_known_hosts.len; i++)
		ff_buf_addf(&files, "%s%s", i ? ", " : "", config->user_known_hosts.v[i]);
	for (size_t i = 0; i < config->global_known_hosts.len; i++)
		ff_buf_addf(&files, ", %s", config->global_known_hosts.v[i]);
	text = ff_buf_str(&files);
	ff_err_set(err, FF_EHOSTKEY,
		   "host key of %s:%ld is unknown (%s %s; looked in %s): refused by "
		   "StrictHostKeyChecking=%s; accept it with `ssh %s` once, or set "
		   "StrictHostKeyChecking=accept-new",
		   offer->host, offer->port, offer->type, offer->fingerprint, text ? text : "",
		   config->strict ? config->strict : "ask", config->host);
	ff_buf_release(&files);
	return FF_EHOSTKEY;
}

static void accept_new(const struct ff_ssh_config *config, const uint8_t *blob, size_t len,
		       const struct offer *offer)
{
	struct ff_err err = {0};

	/* A file that can't be written does not stop ssh either. */
	if (ff_ssh_known_add(config, blob, len, &err) < 0)
		ff_log("ssh: host key of %s not added: %s", offer->host, err.text);
	else
		ff_log("ssh: host key of %s:%ld added: %s %s", offer->host, offer->port,
		       offer->type, offer->fingerprint);
}

int ff_ssh_known_decide(const struct ff_ssh_config *config, const uint8_t *blob, size_t len,
			struct ff_err *err)
{
	struct offer offer = {.host = config->hostname, .port = config->port};
	struct ff_ssh_finding found;

	if (ff_ssh_known_check(&found, config, blob, len) < 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ff_ssh_blob_type(blob, len, offer.type);
	ff_ssh_fingerprint(blob, len, offer.fingerprint);
	switch (found.verdict) {
	case FF_SSH_KNOWN:
		return 0;
	case FF_SSH_UNKNOWN:
		if (ff_ssh_config_strict(config) != FF_SSH_STRICT_ACCEPT_NEW)
			return refuse_unknown(config, &offer, err);
		accept_new(config, blob, len, &offer);
		return 0;
	case FF_SSH_REVOKED:
		return ff_err_set(err, FF_EHOSTKEY,
				  "host key of %s:%ld is revoked (%s %s, in %s:%u): refused",
				  offer.host, offer.port, offer.type, offer.fingerprint, found.file,
				  found.line);
	case FF_SSH_OTHER_TYPES:
	case FF_SSH_CHANGED:
		break;
	}
	return ff_err_set(
		err, FF_EHOSTKEY,
		"host key of %s:%ld has CHANGED (known: %s %s, in %s:%u; offered: %s %s): "
		"refused",
		offer.host, offer.port, found.type, found.fingerprint, found.file, found.line,
		offer.type, offer.fingerprint);
}

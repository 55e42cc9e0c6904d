/* known_hosts files: which keys a host is known by, and adding one. The library's own reader of
 * these files knows neither @revoked nor patterns nor line numbers, so this is ours.
 * Format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
#ifndef FF_TRANSPORT_SSH_KNOWNHOSTS_H
#define FF_TRANSPORT_SSH_KNOWNHOSTS_H

#include "base/err.h"
#include "base/strv.h"
#include "transport/ssh_config.h"
#include "transport/ssh_key.h"

enum ff_ssh_marker { FF_SSH_MARK_NONE, FF_SSH_MARK_REVOKED, FF_SSH_MARK_OTHER };

/* One line, as pointers into it. */
struct ff_ssh_known_line {
	enum ff_ssh_marker marker;
	const char *hosts, *type, *key;
	size_t hosts_len, type_len, key_len;
};
/* False: a comment, an empty line, or none of a known form. */
bool ff_ssh_known_parse(struct ff_ssh_known_line *parsed, const char *line);
/* Whether the hosts field (patterns, negations, or a hashed name) covers `name`, which is in lower
 * case: "build1", "[build1]:2222". */
bool ff_ssh_known_match(const char *hosts, size_t len, const char *name);

enum ff_ssh_verdict {
	FF_SSH_KNOWN,
	FF_SSH_UNKNOWN,
	FF_SSH_OTHER_TYPES, /* known, but by keys of other types only */
	FF_SSH_CHANGED,	    /* known by another key of the same type */
	FF_SSH_REVOKED,
};

struct ff_ssh_finding {
	enum ff_ssh_verdict verdict;
	/* The line that decided, for CHANGED, OTHER_TYPES and REVOKED. */
	char file[512];
	unsigned line;
	char type[FF_SSH_TYPE_MAX];
	char fingerprint[FF_SSH_FINGERPRINT_MAX];
};

/* The name the host goes by in these files; malloc'd, NULL when out of memory. */
char *ff_ssh_known_name(const struct ff_ssh_config *config);
/* Judges the key `blob` that the host offers. 0 or FF_ENOMEM. */
int ff_ssh_known_check(struct ff_ssh_finding *finding, const struct ff_ssh_config *config,
		       const uint8_t *blob, size_t len);
/* Appends the types of keys the host is known by, each once. */
int ff_ssh_known_types(struct ff_strv *types, const struct ff_ssh_config *config);
/* Appends a line to the first of the user's files; it and its folder are made if missing. */
int ff_ssh_known_add(const struct ff_ssh_config *config, const uint8_t *blob, size_t len,
		     struct ff_err *err);
/* Verdict and StrictHostKeyChecking together: 0 (the key may have been added), or FF_EHOSTKEY. */
int ff_ssh_known_decide(const struct ff_ssh_config *config, const uint8_t *blob, size_t len,
			struct ff_err *err);

#endif

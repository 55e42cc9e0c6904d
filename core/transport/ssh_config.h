/* What ssh's own configuration says about one ssh= value: asked of `ssh -G`, so that the user's
 * files and all of ssh's rules apply, or, where there is no such program, read from the words
 * alone. Knows no connection and no library. */
#ifndef FF_TRANSPORT_SSH_CONFIG_H
#define FF_TRANSPORT_SSH_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/strv.h"
#include "io/loop_private.h"
#include "wire/xspec.h"

/* ssh's yes and no; 0 is "not said". */
enum { FF_SSH_UNSET = 0, FF_SSH_YES = 1, FF_SSH_NO = -1 };

enum ff_ssh_strict {
	FF_SSH_STRICT_ASK, /* can't ask: as YES */
	FF_SSH_STRICT_YES,
	FF_SSH_STRICT_ACCEPT_NEW,
};

struct ff_ssh_config {
	unsigned refs;
	char *host;   /* as given */
	char *prefix; /* words behind the host: they go before the command; "" if none */
	char *user;
	char *hostname;
	long port;
	char *host_key_alias;
	char *bind_address;
	char *address_family;	/* any, inet, inet6 */
	long connect_timeout_s; /* 0: not set */
	char *strict;
	char *identity_agent; /* NULL: as SSH_AUTH_SOCK says */
	char *preferred_auth;
	char *control_path;
	char *ciphers, *macs, *kex, *host_key_algorithms;
	int identities_only, pubkey_auth, gssapi_auth, hostbased_auth;
	int compression, hash_known_hosts, tcp_keepalive;
	struct ff_strv identity_files;
	struct ff_strv user_known_hosts, global_known_hosts;
	struct ff_strv send_env, set_env;
	/* Why only the `ssh` program can do it, NULL if the library can. */
	char *program;
};

struct ff_ssh_config *ff_ssh_config_new(void);
struct ff_ssh_config *ff_ssh_config_ref(struct ff_ssh_config *config);
void ff_ssh_config_unref(struct ff_ssh_config *config);

/* Sets one option by its lower-case name; unknown ones are skipped. As in ssh, the first value of
 * an option counts. 0, FF_ENOMEM, FF_ECONFIG (not a number). */
int ff_ssh_config_set(struct ff_ssh_config *config, const char *key, const char *value,
		      struct ff_err *err);
/* Reads the output of `ssh -G`. */
int ff_ssh_config_parse(struct ff_ssh_config *config, const char *text, struct ff_err *err);
/* Fills what was not said with ssh's defaults, and expands ~ and %-tokens in file names. */
int ff_ssh_config_finish(struct ff_ssh_config *config, struct ff_err *err);
/* Remembers that only the program will do; the first reason stays. */
void ff_ssh_config_need_program(struct ff_ssh_config *config, const char *reason);
/* Whether a master of connection sharing listens at ControlPath. */
bool ff_ssh_config_master(const struct ff_ssh_config *config);
enum ff_ssh_strict ff_ssh_config_strict(const struct ff_ssh_config *config);
/* Whether publickey authentication is wanted at all. */
bool ff_ssh_config_wants_keys(const struct ff_ssh_config *config);

/* Splits the words as ssh does: options, the host, what follows it. `option` (may be NULL) gets
 * each option letter with its argument (NULL if it takes none). `host` and `rest` are indexes into
 * words
 * (`rest` = words->len if nothing follows). FF_ECONFIG: unknown option, no host. */
int ff_ssh_words(const struct ff_strv *words,
		 int (*option)(void *ctx, char letter, const char *arg, struct ff_err *err),
		 void *ctx, size_t *host, size_t *rest, struct ff_err *err);
/* The configuration the words alone give, without any file of ssh's. FF_ECONFIG for options only
 * the program knows. */
int ff_ssh_config_from_words(struct ff_ssh_config *config, const struct ff_strv *words,
			     struct ff_err *err);

/* One who waits for a configuration. */
struct ff_ssh_waiter {
	struct ff_list node;
	struct ff_ssh_entry *entry;   /* what it waits for, NULL if nothing */
	struct ff_ssh_config *config; /* the result: a reference */
	/* From the loop: config is set, or err says why not. */
	void (*done)(struct ff_ssh_waiter *waiter, const struct ff_err *err);
};

/* The configuration for spec->ssh and spec->ssh_config; answers are kept for the life of the
 * process. 1: waiter->config is set. 0: `done` will be called. Negative: err. */
int ff_ssh_resolve(struct ff_ssh_waiter *waiter, struct ff_loop *loop, const struct ff_xspec *spec,
		   struct ff_err *err);
/* `done` will not be called. Harmless when nothing is waited for. */
void ff_ssh_resolve_cancel(struct ff_ssh_waiter *waiter);
/* Forgets all answers, for tests. */
void ff_ssh_resolve_clear(void);

#endif

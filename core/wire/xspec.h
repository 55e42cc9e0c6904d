/* xspecs: "ssh=-p 2222 build1//python=python3.11//chdir=work//nice=5//env:A=b".
 * Rules as execnet's xspec.py: parts are separated by "//", a key without "=" is True, keys may not
 * repeat nor start with "_", unknown keys are kept. */
#ifndef FF_WIRE_XSPEC_H
#define FF_WIRE_XSPEC_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"
#include "wire/value.h"

/* X(key, member): keys whose value is text. A key given without a value (`true` for execnet) holds
 * "", an absent one is NULL. execnet's first, then ours. */
#define FF_XSPEC_KEYS(X)                                                                           \
	X("id", id)                                                                                \
	X("popen", popen)                                                                          \
	X("ssh", ssh)                                                                              \
	X("vagrant_ssh", vagrant_ssh)                                                              \
	X("socket", socket)                                                                        \
	X("python", python)                                                                        \
	X("chdir", chdir)                                                                          \
	X("nice", nice)                                                                            \
	X("execmodel", execmodel)                                                                  \
	X("dont_write_bytecode", dont_write_bytecode)                                              \
	X("ssh_config", ssh_config)                                                                \
	X("via", via)                                                                              \
	X("installvia", installvia)                                                                \
	X("worker", worker) /* native or python */                                                 \
	X("slots", slots)   /* a number >= 1 */                                                    \
	X("tags", tags)	    /* comma-separated words */                                            \
	X("docker", docker)                                                                        \
	X("kubectl", kubectl)                                                                      \
	X("namespace", k8s_namespace)                                                              \
	X("podman", podman)                                                                        \
	X("srun", srun)                                                                            \
	X("token_file", token_file)                                                                \
	X("plain", plain) /* the peer knows nothing of HELLO */

struct ff_xspec {
	char *text; /* as given */
#define X(key, member) char *member;
	FF_XSPEC_KEYS(X)
#undef X
	struct ff_strv env;	/* "NAME=value" of each env:NAME=value */
	struct ff_strv unknown; /* "key=value", or "key" for a bare one */
};

/* Parses `text` into `spec` (which is overwritten). FF_EINVAL with a message that names the xspec
 * and the offending part: empty text, empty or repeated key, key starting with "_", nice or slots
 * that is no number in range (-20…19, 1…100000), worker= neither native nor python, an unknown
 * execmodel, env:NAME without a value; FF_ENOMEM; then `spec` is as before. A spec without any
 * transport key is valid here: ff_transport_find says so later. */
int ff_xspec_parse(struct ff_xspec *spec, const char *text, struct ff_err *err);
void ff_xspec_release(struct ff_xspec *spec);
/* ff_xspec_parse on the heap, for those who can't know the size; NULL: err. */
struct ff_xspec *ff_xspec_new(const char *text, struct ff_err *err);
/* NULL: nothing. An ff_open_gateway that took the content over leaves the shell to be freed. */
void ff_xspec_free(struct ff_xspec *spec);
/* The value of a known key ("" for a bare one), NULL if it is absent or unknown. */
const char *ff_xspec_get(const struct ff_xspec *spec, const char *key);
/* A deep copy into `to` (overwritten): 0 or FF_ENOMEM. */
int ff_xspec_copy(struct ff_xspec *to, const struct ff_xspec *from);
/* Sets one known key to a copy of `value` (NULL removes it); FF_ENOTFOUND if the key is unknown,
 * FF_EINVAL if parsing would refuse the value. `spec->text` stays. */
int ff_xspec_set(struct ff_xspec *spec, const char *key, const char *value);

/* Appends a short name for messages: "ssh=build1" (without the options before the host), "popen",
 * "socket=h:8888"; the whole text if there is no transport key. */
struct ff_buf;
int ff_xspec_label(struct ff_buf *out, const struct ff_xspec *spec);

/* The env: keys as a dict; its names and values go into `entries`, which has room for 2 *
 * spec->env.len of them, and are borrowed from the spec. */
struct ff_value ff_xspec_env(const struct ff_xspec *spec, struct ff_value *entries);

#endif

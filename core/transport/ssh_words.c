/* The words of an ssh= value, read as ssh reads its own command line. Where there is no `ssh`
 * program to ask, they are all there is to know. */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "transport/ssh_config.h"

/* ssh(1)'s option letters. */
static const char flag_letters[] = "1246afgknqstvxACGKMNTVXYy";
static const char arg_letters[] = "BDEFIJLOPQRSWbceilmopw";

static int no_option(void *ctx, char letter, const char *arg, struct ff_err *err)
{
	return 0;
}

struct scan {
	const struct ff_strv *words;
	size_t at;
	int (*option)(void *ctx, char letter, const char *arg, struct ff_err *err);
	void *ctx;
	struct ff_err *err;
};

/* One word of option letters: flags may share it, and the last may take an argument, either the
 * rest of the word or the next one. */
static int scan_option_word(struct scan *scan)
{
	const char *letters = scan->words->v[scan->at++] + 1;

	for (; *letters; letters++) {
		const char *arg = NULL;
		int rc;

		if (strchr(arg_letters, *letters)) {
			arg = letters[1] ? letters + 1 : scan->words->v[scan->at];
			if (!arg)
				return ff_err_set(scan->err, FF_ECONFIG,
						  "ssh option -%c needs a value", *letters);
			if (!letters[1])
				scan->at++;
		} else if (!strchr(flag_letters, *letters)) {
			return ff_err_set(scan->err, FF_ECONFIG, "unknown ssh option -%c",
					  *letters);
		}
		rc = scan->option(scan->ctx, *letters, arg, scan->err);
		if (rc < 0 || arg)
			return rc;
	}
	return 0;
}

static int scan_options(struct scan *scan)
{
	while (scan->at < scan->words->len) {
		const char *word = scan->words->v[scan->at];
		int rc;

		if (word[0] != '-' || !word[1])
			break;
		if (!strcmp(word, "--")) {
			scan->at++;
			break;
		}
		rc = scan_option_word(scan);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int ff_ssh_words(const struct ff_strv *words,
		 int (*option)(void *ctx, char letter, const char *arg, struct ff_err *err),
		 void *ctx, size_t *host, size_t *rest, struct ff_err *err)
{
	struct scan scan = {words, 0, option ? option : no_option, ctx, err};
	int rc = scan_options(&scan);

	if (rc < 0)
		return rc;
	if (scan.at >= words->len)
		return ff_err_set(err, FF_ECONFIG, "no host given");
	*host = scan.at++;
	/* Options may follow the host. */
	rc = scan_options(&scan);
	if (rc < 0)
		return rc;
	*rest = scan.at;
	return 0;
}

/* "Key=Value" or "Key Value" of -o. */
static int set_assignment(struct ff_ssh_config *config, const char *text, struct ff_err *err)
{
	size_t len = strcspn(text, "= \t");
	const char *value = text + len + strspn(text + len, "= \t");
	char key[64];

	if (!*value || len >= sizeof(key))
		return ff_err_set(err, FF_ECONFIG, "ssh option -o %s: no value", text);
	for (size_t i = 0; i < len; i++)
		key[i] = (char)tolower((unsigned char)text[i]);
	key[len] = '\0';
	return ff_ssh_config_set(config, key, value, err);
}

static int apply_option(void *ctx, char letter, const char *arg, struct ff_err *err)
{
	static const struct {
		char letter;
		const char *key;
		const char *value; /* of a flag */
	} map[] = {
		{'p', "port", NULL},
		{'l', "user", NULL},
		{'i', "identityfile", NULL},
		{'J', "proxyjump", NULL},
		{'b', "bindaddress", NULL},
		{'B', "bindinterface", NULL},
		{'c', "ciphers", NULL},
		{'m', "macs", NULL},
		{'S', "controlpath", NULL},
		{'I', "pkcs11provider", NULL},
		{'L', "localforward", NULL},
		{'R', "remoteforward", NULL},
		{'D', "dynamicforward", NULL},
		{'w', "tunnel", NULL},
		{'4', "addressfamily", "inet"},
		{'6', "addressfamily", "inet6"},
		{'C', "compression", "yes"},
		{'A', "forwardagent", "yes"},
		{'X', "forwardx11", "yes"},
		{'Y', "forwardx11", "yes"},
		{'K', "gssapiauthentication", "yes"},
		{'k', "gssapiauthentication", "no"},
	};

	if (letter == 'o')
		return set_assignment(ctx, arg, err);
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if (map[i].letter == letter)
			return ff_ssh_config_set(ctx, map[i].key, arg ? arg : map[i].value, err);
	}
	if (strchr("qTvaxe", letter))
		return 0;
	return ff_err_set(err, FF_ECONFIG, "ssh option -%c needs the ssh program", letter);
}

int ff_ssh_config_from_words(struct ff_ssh_config *config, const struct ff_strv *words,
			     struct ff_err *err)
{
	size_t host, rest;
	const char *name, *at;
	char *user;
	int rc = ff_ssh_words(words, apply_option, config, &host, &rest, err);

	if (rc < 0)
		return rc;
	name = words->v[host];
	if (!strncmp(name, "ssh://", 6))
		return ff_err_set(err, FF_ECONFIG, "'%s' needs the ssh program", name);
	at = strrchr(name, '@');
	if (at) {
		user = ff_strndup(name, (size_t)(at - name));
		if (!user)
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		rc = ff_ssh_config_set(config, "user", user, err);
		ff_free(user);
		if (rc < 0)
			return rc;
		name = at + 1;
	}
	return ff_ssh_config_set(config, "host", name, err);
}

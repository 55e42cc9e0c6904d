/* Secrets: where they are is read with the file, what they are only before a run. No message has a
 * value, or what a command wrote. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "config/private.h"
#include "config/vars.h"

enum {
	SECRET_MAX = 64 << 10, /* bytes */
	SECRET_MIN = 4,	       /* shorter ones can't be masked in output: event/mask.h */
};

static const char too_short[] = "it is shorter than 4 bytes, which can't be masked in output";

bool ff_vars_is_secret(const struct ff_yaml_node *node)
{
	return node->kind == FF_YAML_MAPPING && node->len > 0 &&
	       !strcmp(node->pairs[0].key->text, "secret");
}

struct ff_config_secret *ff_vars_secret(struct ff_reader *r, const struct ff_yaml_node *node)
{
	static const char *const kinds[] = {"env:", "file:", "cmd:"};
	const struct ff_yaml_node *value = ff_vars_replace(r, node->pairs[0].value);
	struct ff_place place = ff_read_place(r, value);
	struct ff_config_secret *secret;
	size_t kind = 0;

	while (kind < 3 && (value->kind != FF_YAML_SCALAR ||
			    strncmp(value->text, kinds[kind], strlen(kinds[kind])) != 0))
		kind++;
	if (kind == 3 || !value->text[strlen(kinds[kind])] || node->len > 1) {
		ff_mistakes_add(r->problems, &place,
				"'secret' wants env:NAME, file:PATH or cmd:COMMAND%s",
				node->len > 1 ? ", and nothing beside it" : "");
		return NULL;
	}
	secret = ff_config_take(r->config, sizeof(*secret));
	secret->place = place;
	secret->directory = ff_config_keep(r->config, ff_read_directory(r, value));
	if (kind == 1 && value->text[5] != '/') {
		char *path = ff_xasprintf("file:%s/%s", secret->directory, value->text + 5);

		secret->from = ff_config_keep(r->config, path);
		ff_free(path);
	} else {
		secret->from = ff_config_keep(r->config, value->text);
	}
	return secret;
}

const char *ff_config_var_value(const struct ff_config_var *var)
{
	const char *value = var->secret ? var->secret->value : var->value;

	return value ? value : "";
}

bool ff_config_is_secret(const struct ff_config_job *job, const char *text)
{
	for (size_t i = 0; i < job->vars_len; i++) {
		size_t len = strlen(job->vars[i].name);
		const char *at = job->vars[i].secret ? strchr(text, '{') : NULL;

		for (; at; at = strchr(at + 1, '{'))
			if (!strncmp(at + 1, job->vars[i].name, len) &&
			    (at[1 + len] == '}' || at[1 + len] == ':'))
				return true;
	}
	return false;
}

static int complain(struct ff_err *err, const struct ff_config_secret *secret, const char *what)
{
	return ff_err_set(err, FF_ECONFIG, "%s:%d:%d: secret %s: %s",
			  secret->place.file ? secret->place.file : "", secret->place.line,
			  secret->place.column, secret->from, what);
}

/* All of it, or more than may be; 0 or an errno. */
static int read_file(const char *path, struct ff_buf *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return errno;
	rc = ff_read_all(fd, SECRET_MAX, text);
	close(fd);
	return rc;
}

/* With the text as a secret; NULL: nothing. */
static const char *what_is_wrong(struct ff_buf *text)
{
	if (!text->len)
		return "it is empty";
	if (text->len < SECRET_MIN)
		return too_short;
	if (memchr(ff_buf_data(text), '\0', text->len) || !ff_vars_is_utf8(ff_buf_str(text)))
		return "it is no UTF-8 text";
	return NULL;
}

static int look_up(struct ff_config *config, struct ff_config_secret *secret, struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *words = NULL, *from = secret->from;
	char status_words[48];
	int rc = 0, status = 0;

	if (!strncmp(from, "env:", 4)) {
		const char *value = getenv(from + 4);

		if (value)
			ff_buf_addstr(&text, value);
		else
			words = "the environment has none of that name";
	} else if (!strncmp(from, "file:", 5)) {
		rc = read_file(from + 5, &text);
	} else {
		rc = ff_config_shell(secret->directory, from + strlen("cmd:"), SECRET_MAX, &text,
				     &status);
	}
	/* As $(...) does. */
	while (*from != 'e' && text.len && ff_buf_data(&text)[text.len - 1] == '\n')
		text.len--;
	if (rc) {
		words = strerror(rc);
	} else if (text.len > SECRET_MAX) {
		words = "it is longer than 64 KiB";
	} else if (status) {
		snprintf(status_words, sizeof(status_words), "the command ended with %s %d",
			 WIFSIGNALED(status) ? "signal" : "exit status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		words = status_words;
	} else if (!words) {
		words = what_is_wrong(&text);
	}
	if (words)
		rc = complain(err, secret, words);
	else
		secret->value = ff_config_keep(config, ff_buf_str(&text));
	ff_buf_release(&text);
	return rc;
}

int ff_config_reveal_secret(struct ff_config *config, struct ff_config_secret *secret,
			    struct ff_err *err)
{
	int rc = secret->value ? 0 : look_up(config, secret, err);

	if (rc < 0)
		return rc;
	/* From the command line, perhaps, and that of an earlier run was masked. */
	if (strcmp(secret->value, "***") == 0)
		return complain(err, secret,
				"what -e gave an earlier run is not kept: give it again");
	if (strlen(secret->value) < SECRET_MIN)
		return complain(err, secret, too_short);
	return 0;
}

int ff_config_reveal_one(struct ff_config *config, const struct ff_config_var *var,
			 struct ff_err *err)
{
	return var->secret ? ff_config_reveal_secret(config, var->secret, err) : 0;
}

int ff_config_reveal(struct ff_config *config, const struct ff_config_job *job, struct ff_err *err)
{
	for (size_t i = 0; i < job->vars_len; i++) {
		int rc = ff_config_reveal_one(config, &job->vars[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

const struct ff_config_var *ff_config_host_secret(const struct ff_config *config, const char *text)
{
	for (size_t i = 0; i < config->host_secrets_len; i++) {
		const char *name = config->host_secrets[i].name;
		size_t len = strlen(name);

		if (strlen(text) == len + 3 && !strncmp(text, "${", 2) &&
		    !strncmp(text + 2, name, len))
			return &config->host_secrets[i];
	}
	return NULL;
}

/* A test's command, folder and environment, as ctest would start it. Where another host than the
 * one that was asked has the build elsewhere, paths below the job's folder are meant there. */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "builtin.h"
#include "ctest/private.h"

struct maker {
	const json_t *test;
	const char *from, *to; /* the job's folder where the tests were found, and here */
	struct ff_arena *arena;
	bool full;
};

static char *keep(struct maker *m, const char *text, size_t len)
{
	char *copy = ff_arena_copy(m->arena, text, len);

	m->full |= !copy;
	return copy;
}

static bool ends_path(char c)
{
	return c == '\0' || c == '/' || c == ':' || c == ';' || c == '"';
}

/* A copy, with paths of that host made this one's. */
static char *relocate(struct maker *m, const char *text)
{
	size_t len = m->from ? strlen(m->from) : 0;
	struct ff_buf out = FF_BUF_INIT;
	const char *at = text, *hit;
	char *copy;

	if (len < 2 || strcmp(m->from, m->to) == 0)
		return keep(m, text, strlen(text));
	while ((hit = strstr(at, m->from))) {
		bool whole = ends_path(hit[len]);

		ff_buf_add(&out, at, (size_t)(hit - at));
		ff_buf_addstr(&out, whole ? m->to : m->from);
		at = hit + len;
	}
	ff_buf_addstr(&out, at);
	copy = keep(m, (const char *)ff_buf_data(&out), out.len);
	ff_buf_release(&out);
	return copy;
}

/* --- the environment --- */

static bool sets(const json_t *test, const char *entry)
{
	size_t name = strcspn(entry, "=") + 1;

	for (size_t i = 0; i < ff_ctest_texts(test, "ENVIRONMENT"); i++)
		if (strncmp(ff_ctest_text(test, "ENVIRONMENT", i), entry, name) == 0)
			return true;
	return false;
}

/* The job's, but for what the test sets itself, and then that; of a name the last one counts. */
static char **make_env(struct maker *m, char *const *job)
{
	size_t len = 0, own = ff_ctest_texts(m->test, "ENVIRONMENT"), at = 0;
	char **env;

	while (job && job[len])
		len++;
	env = ff_arena_alloc(m->arena, (len + own + 1) * sizeof(*env));
	m->full |= !env;
	for (size_t i = 0; env && i < len; i++)
		if (!sets(m->test, job[i]))
			env[at++] = keep(m, job[i], strlen(job[i]));
	for (size_t i = 0; env && i < own; i++) {
		const char *entry = ff_ctest_text(m->test, "ENVIRONMENT", i);

		if (strchr(entry, '=') && *entry != '=')
			env[at++] = relocate(m, entry);
	}
	if (env)
		env[at] = NULL;
	return env;
}

static void add_quoted(struct ff_buf *out, const char *text)
{
	ff_buf_addch(out, '\'');
	for (; *text; text++)
		ff_buf_addstr(out, *text == '\'' ? "'\\''" : (char[]){*text, '\0'});
	ff_buf_addch(out, '\'');
}

/* "NAME=path_list_prepend:/lib" as shell text, for what only the host knows the rest of. */
static int add_modification(struct maker *m, const char *text, struct ff_buf *out,
			    struct ff_err *err)
{
	int name = (int)strcspn(text, "=");
	const char *op = text[name] ? text + name + 1 : "", *colon = strchr(op, ':');
	const char *value = colon ? relocate(m, colon + 1) : NULL;
	size_t len = colon ? (size_t)(colon - op) : strlen(op);
	bool list = !strncmp(op, "path_list_", 10) || !strncmp(op, "cmake_list_", 11);
	char between = list ? (*op == 'p' ? ':' : ';') : '\0';
	const char *end = op + len - (len > 7 ? 7 : len);
	bool append = len > 7 && !strncmp(op + len - 6, "append", 6);
	bool prepend = len > 7 && !strncmp(end, "prepend", 7);

	for (int i = 0; i < name; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_')
			name = 0;
	if (name > 0 && len == 5 && !strncmp(op, "unset", 5))
		return ff_buf_addf(out, "unset %.*s; ", name, text);
	if (name == 0 || !value || (!append && !prepend && !(len == 3 && !strncmp(op, "set", 3))))
		return ff_err_set(err, FF_EUNSUPPORTED,
				  "ENVIRONMENT_MODIFICATION '%s' is not understood", text);
	ff_buf_addf(out, "%.*s=", name, text);
	if (append && between)
		ff_buf_addf(out, "\"${%.*s:+$%.*s%c}\"", name, text, name, text, between);
	else if (append)
		ff_buf_addf(out, "\"${%.*s-}\"", name, text);
	add_quoted(out, value);
	if (prepend && between)
		ff_buf_addf(out, "\"${%.*s:+%c$%.*s}\"", name, text, between, name, text);
	else if (prepend)
		ff_buf_addf(out, "\"${%.*s-}\"", name, text);
	return ff_buf_addf(out, "; export %.*s; ", name, text);
}

/* NULL: nothing is modified. */
static char *make_script(struct maker *m, int *rc, struct ff_err *err)
{
	size_t len = ff_ctest_texts(m->test, "ENVIRONMENT_MODIFICATION");
	struct ff_buf out = FF_BUF_INIT;
	char *script = NULL;

	for (size_t i = 0; i < len && *rc == 0; i++)
		*rc = add_modification(m, ff_ctest_text(m->test, "ENVIRONMENT_MODIFICATION", i),
				       &out, err);
	if (len > 0 && *rc == 0) {
		ff_buf_addstr(&out, "exec \"$@\"");
		script = keep(m, (const char *)ff_buf_data(&out), out.len);
	}
	ff_buf_release(&out);
	return script;
}

/* --- the command --- */

static char **make_argv(struct maker *m, const json_t *command, char *script)
{
	size_t len = json_array_size(command), at = 0;
	char **argv = ff_arena_alloc(m->arena, (len + 5) * sizeof(*argv));

	m->full |= !argv;
	if (argv && script) {
		static char shell[] = "/bin/sh", option[] = "-c";

		argv[at++] = shell;
		argv[at++] = option;
		argv[at++] = script;
		argv[at++] = shell;
	}
	for (size_t i = 0; argv && i < len; i++) {
		const char *word = json_string_value(json_array_get(command, i));

		argv[at++] = relocate(m, word ? word : "");
	}
	if (argv)
		argv[at] = NULL;
	return argv;
}

int ff_ctest_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		  struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	json_t *test = json_loads(job->detail ? job->detail : "", 0, NULL);
	const json_t *command = json_object_get(test, "command");
	double timeout = ff_ctest_number(test, "TIMEOUT", -1);
	struct maker m = {.test = test,
			  .from = json_string_value(json_object_get(test, "cwd")),
			  .to = job->cwd,
			  .arena = arena};
	struct ff_builtin_call call = {
		.timeout_us = job->timeout_us, .grace_us = job->grace_us, .merge = true};
	int rc = 0;

	if (json_array_size(command) == 0) {
		json_decref(test);
		return ff_err_set(err, FF_ENOTFOUND,
				  "not run: ctest finds no executable for it (is it built?)");
	}
	call.argv = make_argv(&m, command, make_script(&m, &rc, err));
	call.env = make_env(&m, job->env);
	call.cwd = ff_ctest_texts(test, "WORKING_DIRECTORY") > 0
			   ? relocate(&m, ff_ctest_text(test, "WORKING_DIRECTORY", 0))
			   : job->cwd;
	if (timeout >= 0)
		call.timeout_us = timeout < 1e9 ? (int64_t)(timeout * 1e6) : 0;
	json_decref(test);
	if (rc == 0 && m.full)
		rc = ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	return rc < 0 ? rc : ff_builtin_task(&call, worker, arena, task, err);
}

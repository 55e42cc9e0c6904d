/* farflung sync SRC DEST: a folder, or a file, to every host. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/chosen.h"
#include "cli/command.h"
#include "cli/said.h"
#include "cli/secrets.h"
#include "dispatch/dispatch.h"
#include "report/text.h"

struct options {
	const char *file, *on;
	struct ff_strv tx, exclude, exclude_from;
	bool delete;
};

static const struct ff_option options[] = {
	FF_OPTION("file", 'f', TEXT, "FILE", "the hosts of this YAML file; farflung.yaml", file),
	FF_OPTION("tx", 0, LIST, "XSPEC", "a host, or a set of them, without a file; several times",
		  tx),
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "only hosts that match: names, tags, @groups, n[1-9], !not, &and", on),
	FF_OPTION("delete", 0, FLAG, NULL,
		  "delete there what an earlier sync brought, and is here no more", delete),
	FF_OPTION("exclude", 0, LIST, "PATTERN",
		  "neither brought nor deleted, as in .gitignore; several times", exclude),
	FF_OPTION("exclude-from", 0, LIST, "FILE",
		  "files of patterns: .gitignore is each folder's own, ./FILE one for all",
		  exclude_from),
	FF_OPTIONS_END,
};

/* What became of a host's sync. */
struct done {
	uint64_t files, sent_files, sent_bytes, deleted, problems;
	bool done;
};

struct hearer {
	struct ff_reporter base;
	struct done *hosts; /* by number */
	struct ff_said said;
	bool incomplete;
};

static void on_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct hearer *h = (struct hearer *)reporter;

	if (event->kind == FF_EVENT_NOTICE && !strcmp(event->u.notice.level, "warning"))
		ff_complain("%s", event->u.notice.text);
	if (event->kind != FF_EVENT_SYNC_FINISHED || !event->host_id)
		return;
	h->hosts[event->host_id - 1] = (struct done){
		.files = event->u.sync_finished.files,
		.sent_files = event->u.sync_finished.sent_files,
		.sent_bytes = event->u.sync_finished.sent_bytes,
		.deleted = event->u.sync_finished.deleted,
		.problems = event->u.sync_finished.problems,
		.done = true,
	};
}

static int finish(struct ff_reporter *reporter, struct ff_err *err)
{
	(void)reporter;
	(void)err;
	return 0;
}

static void nothing(struct ff_reporter *reporter)
{
	(void)reporter;
}

static const struct ff_reporter_class hearer_class = {
	.name = "sync", .event = on_event, .finish = finish, .free = nothing};

/* "3 of 12 files sent (4.1 KiB), 1 deleted" */
static void add_counts(struct ff_buf *out, const struct done *done)
{
	if (!done->sent_files && !done->problems)
		ff_buf_addf(out, "all of %llu file%s there already",
			    (unsigned long long)done->files, done->files == 1 ? "" : "s");
	else
		ff_buf_addf(out, "%llu of %llu file%s sent", (unsigned long long)done->sent_files,
			    (unsigned long long)done->files, done->files == 1 ? "" : "s");
	if (done->sent_files) {
		ff_buf_addstr(out, " (");
		ff_text_size(out, done->sent_bytes);
		ff_buf_addch(out, ')');
	}
	if (done->deleted)
		ff_buf_addf(out, ", %llu deleted", (unsigned long long)done->deleted);
	ff_buf_addch(out, '\n');
}

static void add(void *ctx, const struct ff_host *host, const char *error, bool reached)
{
	struct hearer *h = ctx;
	const struct done *done = &h->hosts[host->index];
	struct ff_exec_result result = {.host = host, .message = error, .output = ""};
	struct ff_buf text = FF_BUF_INIT;
	char problems[64];

	result.end = !error ? FF_EXEC_PASSED : reached ? FF_EXEC_FAILED : FF_EXEC_UNREACHED;
	if (done->done)
		add_counts(&text, done);
	if (!error && done->problems) {
		snprintf(problems, sizeof(problems), "%llu %s not as %s here",
			 (unsigned long long)done->problems,
			 done->problems == 1 ? "file is" : "files are",
			 done->problems == 1 ? "it is" : "they are");
		result.end = FF_EXEC_FAILED;
		result.message = problems;
		h->incomplete = true;
	}
	if (text.len) {
		result.output = ff_buf_str(&text);
		result.output_len = text.len;
	}
	ff_said_add(&h->said, &result);
	ff_buf_release(&text);
}

/* --- from words to a run --- */

static void escape(struct ff_strv *patterns, const char *sign, const char *name)
{
	struct ff_buf pattern = FF_BUF_INIT;

	ff_buf_addstr(&pattern, sign);
	for (; *name; name++) {
		if (strchr("*?[\\", *name))
			ff_buf_addch(&pattern, '\\');
		ff_buf_addch(&pattern, *name);
	}
	ff_strv_add(patterns, ff_buf_str(&pattern));
	ff_buf_release(&pattern);
}

/* A file is its folder without all others. */
static int set_source(struct ff_config *config, const char *source, struct ff_err *err)
{
	char real[PATH_MAX], *slash;
	struct stat st;

	if (!realpath(source, real) || stat(real, &st))
		return ff_err_set(err, FF_ESYS, "%s: %s", source, strerror(errno));
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return ff_err_set(err, FF_EINVAL, "%s: neither a folder nor a file", source);
	if (S_ISREG(st.st_mode)) {
		slash = strrchr(real, '/');
		ff_strv_add(&config->tree.exclude, "/*");
		escape(&config->tree.exclude, "!/", slash + 1);
		slash[slash == real] = '\0';
	}
	config->tree.source = ff_arena_strdup(&config->arena, real);
	return config->tree.source ? 0 : ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
}

/* With their words told: the command line's instead of the file's. */
static int set_exclude(struct ff_config *config, const struct options *o, struct ff_err *err)
{
	char real[PATH_MAX];

	ff_strv_release(&config->tree.exclude);
	ff_strv_release(&config->tree.exclude_from);
	for (size_t i = 0; i < o->exclude.len; i++) {
		const char *fault = ff_config_pattern_fault(o->exclude.v[i]);

		if (fault)
			return ff_err_set(err, FF_EINVAL, "--exclude: '%s' %s", o->exclude.v[i],
					  fault);
		ff_strv_add(&config->tree.exclude, o->exclude.v[i]);
	}
	for (size_t i = 0; i < o->exclude_from.len; i++) {
		const char *file = o->exclude_from.v[i];

		if (strchr(file, '/') && !realpath(file, real))
			return ff_err_sys(err, errno, "--exclude-from: %s", file);
		ff_strv_add(&config->tree.exclude_from, strchr(file, '/') ? real : file);
	}
	if (o->exclude_from.len > FF_CONFIG_EXCLUDE_FROM_MAX)
		return ff_err_set(err, FF_EINVAL, "--exclude-from: more than %d files",
				  FF_CONFIG_EXCLUDE_FROM_MAX);
	return 0;
}

static int set_tree(struct ff_config *config, const struct options *o, const char *source,
		    const char *dest, struct ff_err *err)
{
	if (!*source || !*dest)
		return ff_err_set(err, FF_EINVAL, "SRC and DEST can't be empty");
	if (*dest == '~')
		return ff_err_set(
			err, FF_EINVAL,
			"'%s': DEST is a path from the host's working directory (the home, "
			"if nothing else is said), or absolute",
			dest);
	if (set_exclude(config, o, err))
		return err->code;
	config->tree.given = true;
	config->tree.remove = o->delete;
	config->tree.strict = false;
	config->tree.dest = ff_arena_strdup(&config->arena, dest);
	return set_source(config, source, err);
}

static int execute(const struct options *o, const char *source, const char *dest)
{
	struct ff_config config = {0};
	struct ff_inventory inventory = {0};
	struct ff_mask mask = {0};
	struct ff_plan plan = {0};
	struct ff_reporters reporters = {0};
	struct hearer h = {.base.class = &hearer_class};
	char *id = ff_xasprintf("sync-%lld-%d", (long long)time(NULL), (int)getpid());
	struct ff_run_opts opts = {.config = &config,
				   .inventory = &inventory,
				   .plan = &plan,
				   .only_hosts = o->on,
				   .reporters = &reporters,
				   .run_id = id};
	const struct ff_chosen chosen = {
		.command = "sync", .file = o->file, .tx = &o->tx, .on = o->on};
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	if (ff_chosen_load(&chosen, &config, &inventory, &mask) < 0) {
		code = FF_EXIT_USAGE;
	} else if (set_tree(&config, o, source, dest, &err)) {
		ff_complain("sync: %s", err.text);
	} else {
		h.hosts = ff_xcalloc(inventory.len, sizeof(*h.hosts));
		ff_reporters_add(&reporters, &h.base);
		code = ff_dispatch_sync(&opts, add, &h);
		if (code == FF_EXIT_OK && h.incomplete)
			code = FF_EXIT_FAILED;
		ff_said_print(&h.said, false);
		if (fflush(stdout) || ferror(stdout)) {
			ff_complain("sync: stdout: %s", strerror(errno));
			code = code == FF_EXIT_OK ? FF_EXIT_INFRA : code;
		}
		ff_said_complain_last(&h.said, code);
	}
	ff_reporters_release(&reporters);
	ff_said_release(&h.said);
	ff_free(h.hosts);
	ff_free(id);
	ff_secrets_forget(&mask);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv rest = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &rest, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && rest.len != 2)
		ff_complain(
			"sync: what is to be brought, and where to? (farflung sync [OPTIONS] SRC "
			"DEST)");
	else if (rc == 0)
		code = execute(&o, rest.v[0], rest.v[1]);
	ff_strv_release(&rest);
	ff_strv_release(&o.tx);
	ff_strv_release(&o.exclude);
	ff_strv_release(&o.exclude_from);
	return code;
}

const struct ff_command ff_command_sync = {
	.name = "sync",
	.summary = "Bring a folder, or a file, to each host.",
	.synopsis = "[OPTIONS] SRC DEST",
	.details =
		"DEST is the folder there that gets what is in SRC (or the file SRC): a path from "
		"the host's\n"
		"working directory, or absolute. Without --exclude .git and caches are left out. "
		"Exit codes:\n"
		"0 all is there, 1 a host has not all of it, 3 a host was not reachable, 2 usage,\n"
		"130 interrupted.\n",
	.options = options,
	.run = run,
};

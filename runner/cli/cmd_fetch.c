/* farflung fetch GLOB… DIR: files from every host, into a folder for each. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "cli/chosen.h"
#include "cli/command.h"
#include "cli/said.h"
#include "cli/secrets.h"
#include "dispatch/dispatch.h"
#include "report/text.h"

struct options {
	const char *file, *on;
	struct ff_strv tx;
	int64_t fanout;
};

static const struct ff_option options[] = {
	FF_OPTION("file", 'f', TEXT, "FILE", "the hosts of this YAML file; farflung.yaml", file),
	FF_OPTION("tx", 0, LIST, "XSPEC", "a host, or a set of them, without a file; several times",
		  tx),
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "only hosts that match: names, tags, @groups, n[1-9], !not, &and", on),
	FF_OPTION("fanout", 0, NUMBER, "N", "from so many hosts at a time; all", fanout),
	FF_OPTIONS_END,
};

struct gathered {
	struct ff_said said;
	struct ff_map missing; /* pattern -> on how many hosts, those that were there */
	uintptr_t there;
	const char *top; /* what absolute patterns begin with, which hosts are not told */
	uint64_t files, bytes;
};

static void count_missing(struct gathered *all, const struct ff_gather_result *result)
{
	for (size_t i = 0; i < result->missing_len; i++) {
		uintptr_t before = (uintptr_t)ff_map_get(&all->missing, result->missing[i]);

		if (ff_map_set(&all->missing, result->missing[i], (void *)(before + 1)))
			abort();
	}
}

/* "3 files (4.1 KiB)", and what is amiss, a line each. */
static void add_text(struct ff_buf *text, const struct ff_gather_result *result, const char *top)
{
	ff_buf_addf(text, "%u file%s (", result->files, result->files == 1 ? "" : "s");
	ff_text_size(text, result->bytes);
	ff_buf_addstr(text, ")\n");
	for (size_t i = 0; i < result->missing_len; i++)
		ff_buf_addf(text, "nothing matches %s%s\n", top, result->missing[i]);
	for (size_t i = 0; i < result->refused_len; i++)
		ff_buf_addf(text, "%s%s\n", top, result->refused[i]);
}

static void add(void *ctx, const struct ff_gather_result *result)
{
	struct gathered *all = ctx;
	struct ff_exec_result said = {
		.host = result->host, .end = result->end, .message = result->message, .output = ""};
	struct ff_buf text = FF_BUF_INIT;

	if (result->end == FF_EXEC_PASSED || result->end == FF_EXEC_FAILED) {
		add_text(&text, result, all->top);
		said.output = ff_buf_str(&text);
		said.output_len = text.len;
	}
	if (result->end == FF_EXEC_PASSED || result->refused_len) {
		all->there++;
		count_missing(all, result);
	}
	all->files += result->files;
	all->bytes += result->bytes;
	ff_said_add(&all->said, &said);
	ff_buf_release(&text);
}

/* A pattern that is for nothing on any host was meant otherwise. */
static bool complain_missing(const struct gathered *all, char *const *patterns)
{
	bool any = false;

	for (; all->there && *patterns; patterns++) {
		const char *told = *patterns + strspn(*patterns, "/");

		if ((uintptr_t)ff_map_get(&all->missing, told) < all->there)
			continue;
		ff_complain("fetch: nothing matches %s on any host that was there", *patterns);
		any = true;
	}
	return any;
}

static void print_sum(const struct gathered *all, const char *folder)
{
	struct ff_buf line = FF_BUF_INIT, shown = FF_BUF_INIT;

	if (all->files == 0)
		return;
	ff_text_size(&line, all->bytes);
	ff_text_line(&shown, folder, 0, "");
	printf("\n%llu file%s, %s in %s/HOST\n", (unsigned long long)all->files,
	       all->files == 1 ? "" : "s", ff_buf_str(&line), ff_buf_str(&shown));
	ff_buf_release(&line);
	ff_buf_release(&shown);
}

static int gather(const struct ff_run_opts *opts, const struct ff_gather_opts *what,
		  const char *folder)
{
	struct gathered all = {.top = *what->patterns[0] == '/' ? "/" : ""};
	int code = ff_dispatch_gather(opts, what, add, &all);

	ff_said_print(&all.said, false);
	print_sum(&all, folder);
	if (complain_missing(&all, what->patterns) && code == FF_EXIT_OK)
		code = FF_EXIT_FAILED;
	if (fflush(stdout) || ferror(stdout)) {
		ff_complain("fetch: stdout: %s", strerror(errno));
		code = code == FF_EXIT_OK ? FF_EXIT_INFRA : code;
	}
	ff_said_complain_last(&all.said, code);
	ff_said_release(&all.said);
	ff_map_release(&all.missing);
	return code;
}

/* --- from words to what is to be done --- */

static const char *fault_of(const char *pattern)
{
	if (!*pattern || strspn(pattern, "/") == strlen(pattern))
		return "names no file";
	if (*pattern == '~')
		return "is no path from the host's working directory (the home, if nothing else is "
		       "said), nor absolute";
	for (const char *at = pattern; at; at = strchr(at, '/')) {
		at += strspn(at, "/");
		if (!strncmp(at, "..", 2) && (at[2] == '/' || at[2] == '\0'))
			return "has a '..' in it; say an absolute path";
	}
	return NULL;
}

static int check(const struct ff_strv *patterns)
{
	for (size_t i = 0; i < patterns->len; i++) {
		const char *fault = fault_of(patterns->v[i]);

		if (fault) {
			ff_complain("fetch: '%s' %s", patterns->v[i], fault);
			return -1;
		}
		if ((*patterns->v[i] == '/') != (*patterns->v[0] == '/')) {
			ff_complain("fetch: '%s' is absolute and '%s' is not: one sort at a time",
				    patterns->v[*patterns->v[i] == '/' ? i : 0],
				    patterns->v[*patterns->v[i] == '/' ? 0 : i]);
			return -1;
		}
	}
	return 0;
}

static char *absolute(const char *folder)
{
	char here[PATH_MAX];

	if (*folder == '/' || !getcwd(here, sizeof(here)))
		return ff_xstrdup(folder);
	return ff_xasprintf("%s/%s", here, folder);
}

static int execute(const struct options *o, const struct ff_strv *patterns, const char *folder)
{
	struct ff_config config = {0};
	struct ff_inventory inventory = {0};
	struct ff_mask mask = {0};
	struct ff_plan plan = {0};
	struct ff_run_opts opts = {
		.config = &config, .inventory = &inventory, .plan = &plan, .only_hosts = o->on};
	char *whole = absolute(folder);
	const struct ff_gather_opts what = {
		.patterns = patterns->v, .folder = whole, .fanout = (uint32_t)o->fanout};
	const struct ff_chosen chosen = {
		.command = "fetch", .file = o->file, .tx = &o->tx, .on = o->on};
	int code = FF_EXIT_USAGE;

	if (check(patterns) == 0 && ff_chosen_load(&chosen, &config, &inventory, &mask) == 0) {
		config.tree.given = false; /* nothing is brought there */
		code = gather(&opts, &what, folder);
	}
	ff_free(whole);
	ff_secrets_forget(&mask);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv rest = FF_STRV_INIT, patterns = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &rest, NULL);

	if (rc > 0) {
		code = FF_EXIT_OK;
	} else if (rc == 0 && (rest.len < 2 || !*rest.v[rest.len - 1])) {
		ff_complain("fetch: what is to be brought, and where to? (farflung fetch [OPTIONS] "
			    "GLOB… DIR)");
	} else if (rc == 0) {
		for (size_t i = 0; i + 1 < rest.len; i++)
			ff_strv_add(&patterns, rest.v[i]);
		code = execute(&o, &patterns, rest.v[rest.len - 1]);
	}
	ff_strv_release(&patterns);
	ff_strv_release(&rest);
	ff_strv_release(&o.tx);
	return code;
}

const struct ff_command ff_command_fetch = {
	.name = "fetch",
	.summary = "Bring files from each host, into a folder for each.",
	.synopsis = "[OPTIONS] GLOB… DIR",
	.details =
		"GLOB is a pattern for the hosts, so quote it: a path from the host's working "
		"directory, or\n"
		"absolute; '**' stands for any folders, a folder for all in it. What matches comes "
		"to\n"
		"DIR/HOST/PATH, each file as a whole and checked; DIR/HOST/.farflung.sums lists "
		"it, "
		"as\n"
		"xxh128sum -c reads it. Exit codes: 0 all is here, 1 a host's is not, or a GLOB "
		"matches\n"
		"nowhere, 3 a host was not reachable or got lost, 2 usage, 130 interrupted.\n",
	.options = options,
	.run = run,
};

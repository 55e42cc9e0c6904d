/* farflung map -- CMD: a command for each line, over all slots */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/execute.h"
#include "cli/map.h"
#include "dispatch/dispatch.h"
#include "report/mapped.h"

enum { LINES_AHEAD = 20000, BLOCKS_AHEAD = 256 }; /* read while they wait */
enum { RESULT_KEPT = 64 << 10 };
enum { CHARS_DEFAULT = 130000, CHARS_MAX = 131072 };
#define TIMEOUT_FLOOR_US INT64_C(100000) /* what a percentage comes to at least */

static const struct ff_option options[] = {
	FF_OPTION("jobs", 'j', TEXT, "N",
		  "so many at a time on each host: a number, 200%, +2, -1; 0: no limit", slots),
	FF_OPTION("tx", 0, LIST, "XSPEC", "run at an xspec, [N*]popen, ssh=HOST, ... (repeatable)",
		  tx),
	FF_OPTION("inventory", 'f', TEXT, "FILE",
		  "run on the hosts of this YAML file, with its tree and settings", inventory),
	FF_OPTION("max-procs", 'P', TEXT, "N", "", slots),
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "use only hosts that match: names, tags, n[1-9], !not, &and", on),
	FF_OPTION("arg-file", 'a', LIST, "FILE", "items from FILE, not stdin (repeatable)", files),
	FF_OPTION("null", '0', FLAG, NULL, "items end with a NUL, not a line end", nul),
	FF_OPTION("eof", 'E', TEXT, "TEXT", "an item of this text ends its source", end_mark),
	FF_OPTION("arg-sep", 0, TEXT, "TEXT", "this word is meant by what :::, below, stands for",
		  arg_sep),
	FF_OPTION("no-run-if-empty", 'r', FLAG, NULL, "no unit for an empty line", skip_empty),
	FF_OPTION("colsep", 'C', TEXT, "REGEX",
		  "split each item into {1} {2} ...: an extended regular expression, \\t a tab",
		  separator),
	FF_OPTION("delimiter", 'd', TEXT, "TEXT",
		  "items end with this: , \\t \\0 END; words behind ::: are cut there, too",
		  delimiter),
	FF_OPTION("trim", 0, TEXT, "WHERE",
		  "cut blanks from values: l (left), r, lr, or n (nowhere, the default)", trim),
	FF_OPTION("header", 0, TEXT, ":",
		  "the first item names its source, or with -C its columns: {NAME}", header),
	FF_OPTION("link", 0, FLAG, NULL,
		  "sources go along with each other, shorter ones over again", link),
	FF_OPTION("xapply", 0, FLAG, NULL, "", link),
	FF_OPTION("shuf", 0, FLAG, NULL, "items in an order of chance", shuffle),
	FF_OPTION("max-replace-args", 'N', TEXT, "N",
		  "N items for each command, {1} {2} ...; 0: one, which it does not get",
		  max_replace),
	FF_OPTION("max-args", 'n', TEXT, "N", "the same, but the word around a {} stands once",
		  max_args),
	FF_OPTION("max-lines", 'L', TEXT, "N", "N items for each command, as -N", max_lines),
	FF_OPTION("replace", 'I', TEXT, "TEXT", "TEXT stands for an item; {} and {1} do no more",
		  replace),
	FF_OPTION("xargs", 'X', FLAG, NULL,
		  "as many items as fit, spread over the slots; x{}y is repeated for each", xargs),
	FF_OPTION("m", 'm', FLAG, NULL, "the same, but x{}y stands once: xa b cy", merge),
	FF_OPTION("max-chars", 's', TEXT, "N",
		  "so long may a command become with -X and -m (default: 130000)", max_chars),
	FF_OPTION("quote", 'q', FLAG, NULL, "words of COMMAND are quoted: the shell has no say",
		  quote),
	FF_OPTION_OF("delay", SETTINGS, "start_delay", delay, NULL),
	FF_OPTION("pipe", 0, FLAG, NULL,
		  "blocks of stdin as stdin of the command, cut at line ends", pipe),
	FF_OPTION("block", 0, TEXT, "SIZE", "how large these are (default: 1M)", block),
	FF_OPTION("keep-order", 'k', FLAG, NULL, "output in the order of the items", keep),
	FF_OPTION("tag", 0, FLAG, NULL, "each line of output behind its item and a tab", tag),
	FF_OPTION("tagstring", 0, TEXT, "TEXT",
		  "each line behind TEXT, with {} and the like, and a tab", tagstring),
	FF_OPTION("line-buffer", 0, FLAG, NULL, "lines as they come, of all units mixed", lines),
	FF_OPTION("lb", 0, FLAG, NULL, "", lines),
	FF_OPTION("ungroup", 'u', FLAG, NULL, "the same", lines),
	FF_OPTION("results", 0, TEXT, "DIR",
		  "a folder per unit, DIR/1/ITEM: stdout, stderr, seq, status", results),
	FF_OPTION("joblog", 0, TEXT, "FILE", "a line per unit that has ended, as GNU parallel's",
		  joblog),
	FF_OPTION("resume", 0, RUN, "[RUN]",
		  "leave out what the job log has; without one, go on with a run (the last)",
		  resume),
	FF_OPTION("resume-failed", 0, RUN, "[RUN]", "but run again what has failed there",
		  resume_failed),
	FF_OPTION("transferfile", 0, LIST, "FILE",
		  "send FILE, with {} and the like, before the unit begins (repeatable)", sent),
	FF_OPTION("tf", 0, LIST, "FILE", "", sent),
	FF_OPTION("return", 0, LIST, "FILE",
		  "bring FILE to the same place here when it has ended (repeatable)", returned),
	FF_OPTION("cleanup", 0, FLAG, NULL, "remove there what was sent and brought", cleanup),
	FF_OPTION("trc", 0, LIST, "FILE", "--transferfile {} --return FILE --cleanup", both),
	FF_OPTION_OF("workdir", JOB, "cwd", cwd, NULL),
	FF_OPTION("wd", 0, TEXT, "DIR", "", cwd),
	FF_OPTION_OF("nice", JOB, "nice", nice, NULL),
	FF_OPTION_OF("memory", JOB, "memory", memory, NULL),
	FF_OPTION(
		"cpu", 0, TEXT, "N",
		"CPUs that one unit may use (with cgroup v2 there; else only reckoned with)",
		cpu),
	FF_OPTION_OF("retries", JOB, "retries", retries, NULL),
	FF_OPTION_OF("retry-delay", JOB, "retry_delay", retry_delay, NULL),
	FF_OPTION("timeout", 0, TEXT, "TIME",
		  "for each unit; 500%: of the median of those that have passed when it begins",
		  timeout),
	FF_OPTION("halt", 0, TEXT, "WHEN",
		  "never, or now|soon,fail|success|done=N|N%: now kills what runs", halt),
	FF_OPTION("dry-run", 0, FLAG, NULL, "print the commands, run none", dry),
	FF_OPTION("bar", 0, FLAG, NULL, "show how far it is, if stderr is a terminal", bar),
	FF_OPTION("eta", 0, FLAG, NULL, "the same", bar),
	FF_OPTION("progress", 0, FLAG, NULL, "the same", bar),
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION_WEB(web, cert, key),
	FF_OPTIONS_END,
};

/* --- the configuration --- */

static void set_slots(void *ctx, struct ff_config *config)
{
	const int64_t *slots = ctx;

	for (size_t i = 0; i < config->hosts_len && *slots; i++)
		config->hosts[i].slots = *slots;
}

/* *slots: of each; 0: as the file says. */
static int add_hosts(struct ff_config *config, const struct options *o, int64_t *slots)
{
	*slots = o->slots ? ff_map_slots(o->slots) : 0;
	if (*slots < 0)
		return -1;
	for (size_t i = 0; i < o->tx.len; i++)
		ff_config_add_host(config, o->tx.v[i]);
	if (o->tx.len == 0 && !o->inventory) {
		ff_config_add_host(config, "popen");
		*slots = *slots ? *slots : ff_map_cpus();
	}
	set_slots(slots, config);
	return 0;
}

/* A name that no job of the file has. */
static const char *name_job(struct ff_config *config)
{
	const char *name = "map";

	for (size_t i = 0; i < config->jobs_len; i++)
		if (strcmp(config->jobs[i].name, name) == 0) {
			char *longer = ff_xasprintf("%s-", name);

			name = ff_arena_strdup(&config->arena, longer);
			ff_free(longer);
			i = (size_t)-1; /* once more from the first */
		}
	return name;
}

static void set(struct ff_config *config, struct ff_config_job *job, const char *key,
		const char *text)
{
	if (text)
		ff_config_set(config, job, ff_config_option_find(FF_SECTION_JOB, key), text, NULL);
}

static void add_files(struct ff_lines *lines, struct ff_config_job *job,
		      const struct ff_strv *files, bool back)
{
	for (size_t i = 0; i < files->len; i++) {
		ff_lines_file(lines, files->v[i], back);
		ff_strv_add(back ? &job->artifacts.paths : &job->inputs.paths, files->v[i]);
	}
}

/* As GNU parallel has it: paths here are from where it was started. */
static void set_files(struct ff_config *config, struct ff_config_job *job, const struct options *o,
		      struct ff_lines *lines)
{
	char here[PATH_MAX];
	char *item[] = {(char[]){"{}"}, NULL};
	const struct ff_strv items = {.v = item, .len = o->both.len > 0};

	add_files(lines, job, &items, false);
	add_files(lines, job, &o->sent, false);
	add_files(lines, job, &o->both, true);
	add_files(lines, job, &o->returned, true);
	job->inputs.cleanup = job->inputs.cleanup_brought = o->cleanup || o->both.len > 0;
	if (getcwd(here, sizeof(here)))
		job->inputs.from = job->artifacts.to = ff_arena_strdup(&config->arena, here);
}

static const char *add_job(struct ff_config *config, const struct options *o,
			   struct ff_lines *lines)
{
	const char *name = name_job(config);
	struct ff_config_job *job = ff_config_add_job(config, name, "run");
	static char shell[] = ""; /* each unit has its own */

	job->shell = shell;
	job->source = &lines->base;
	lines->name = job->name;
	job->output_whole = true;
	set_files(config, job, o, lines);
	set(config, job, "retries", o->retries);
	set(config, job, "cwd", o->cwd);
	set(config, job, "nice", o->nice);
	set(config, job, "memory", o->memory);
	set(config, job, "cpu", o->cpu);
	set(config, job, "retry_delay", o->retry_delay);
	job->timeout_percent = o->timeout ? ff_option_percent(o->timeout) : 0;
	job->timeout_floor_us = TIMEOUT_FLOOR_US;
	if (job->timeout_percent <= 0)
		job->timeout_percent = 0;
	if (!job->timeout_percent)
		set(config, job, "timeout", o->timeout);
	if (o->delay)
		ff_config_set(config, NULL,
			      ff_config_option_find(FF_SECTION_SETTINGS, "start_delay"), o->delay,
			      NULL);
	/* Those of the file are of its own runs. */
	config->reports_len = 0;
	config->settings.output_cap_bytes = RESULT_KEPT;
	config->settings.history = ff_arena_strdup(&config->arena, "none");
	return name;
}

/* --- units, as reporters ask for them --- */

static uint32_t seq_of(void *ctx, uint32_t index)
{
	return ff_lines_seq(ctx, index);
}

static int command_of(void *ctx, uint32_t index, struct ff_buf *out)
{
	return ff_lines_text(ctx, index, 1, out);
}

static int arguments_of(void *ctx, uint32_t index, struct ff_buf *out)
{
	return ff_lines_arguments(ctx, index, ' ', out);
}

static char *argument_of(void *ctx, uint32_t index, size_t nth, size_t *column)
{
	return ff_lines_argument(ctx, index, nth, column);
}

static int tag_of(void *ctx, uint32_t index, struct ff_buf *out)
{
	return ff_lines_tag(ctx, index, out);
}

/* --- running --- */

/* Units by sequence number. */
struct done {
	bool *v;
	uint32_t len;
};

/* Nothing to do is no failure; the job log is there all the same. */
static int run_nothing(const struct ff_mapped_opts *mapped)
{
	const struct ff_reporter_opts how = {.verbosity = 0};
	struct ff_reporter *log;
	struct ff_err err = {0};
	int rc;

	if (!mapped->joblog)
		return FF_EXIT_OK;
	log = ff_report_joblog(&how, mapped, &err);
	rc = log ? log->class->finish(log, &err) : err.code;
	if (log)
		log->class->free(log);
	if (!rc)
		return FF_EXIT_OK;
	ff_complain("%s", err.text);
	return FF_MAP_USAGE;
}

static int print_commands(const struct ff_lines *lines)
{
	struct ff_buf text = FF_BUF_INIT;

	for (uint32_t i = 0; i < lines->base.len; i++) {
		ff_buf_clear(&text);
		ff_lines_text(lines, i, 1, &text);
		ff_buf_addch(&text, '\n');
		fwrite(ff_buf_data(&text), 1, text.len, stdout);
	}
	ff_buf_release(&text);
	if (fflush(stdout) == 0)
		return FF_EXIT_OK;
	ff_complain("cannot write to stdout");
	return FF_MAP_USAGE;
}

static int load(struct ff_config *config, const struct options *o)
{
	struct ff_err err = {0};

	if (!o->inventory) {
		ff_config_init(config);
	} else if (ff_config_load(config, o->inventory, &err) < 0) {
		ff_complain_lines(err.text);
		ff_complain_last("nothing was started", FF_MAP_USAGE);
		return -1;
	}
	return 0;
}

/* On all hosts that are used; 0 with a complaint. */
static uint32_t count_slots(const struct options *o)
{
	struct ff_inventory inventory = {0};
	struct ff_config config;
	struct ff_err err = {0};
	uint32_t slots = 0;
	int64_t each = 0;

	if (load(&config, o))
		return 0;
	if (add_hosts(&config, o, &each) == 0) {
		if (ff_inventory_build(&inventory, &config, &err) ||
		    (o->on && ff_inventory_check(&inventory, o->on, &err)))
			ff_complain_lines(err.text);
		for (size_t i = 0; !err.code && i < inventory.len; i++)
			if (ff_host_matches(&inventory.hosts[i], o->on))
				slots += inventory.hosts[i].slots;
		ff_inventory_release(&inventory);
	}
	ff_config_release(&config);
	return slots;
}

/* -X and -m: how many items a command gets. */
static int pack(const struct options *o, struct ff_lines *lines)
{
	int64_t max_chars = ff_map_number("--max-chars", o->max_chars, 1, CHARS_MAX);
	uint32_t slots = max_chars < 0 ? 0 : count_slots(o);
	struct ff_err err = {0};

	if (slots == 0)
		return -1;
	if (!ff_lines_pack(lines, max_chars ? (size_t)max_chars : CHARS_DEFAULT, slots, &err))
		return 0;
	ff_complain("map: %s", err.text);
	return -1;
}

static void keep_input(void *ctx, const char *journal)
{
	ff_map_keep_begin(ctx, journal);
}

/* What the job log has is `done`, where it goes on; NULL: nothing. */
static int run_lines(const struct options *o, struct ff_lines *lines, const struct done *done)
{
	struct ff_map_keep keep = {.lines = lines, .end = ff_map_kept_end(o), .fd = -1};
	struct ff_mapped_tally tally = {0};
	const struct ff_mapped_opts mapped = {
		.units = {seq_of, command_of, arguments_of, argument_of, tag_of, lines},
		.order = o->keep    ? FF_MAPPED_KEPT
			 : o->lines ? FF_MAPPED_LINES
				    : FF_MAPPED_GROUPED,
		.tag = o->tag || o->tagstring,
		.bar = o->bar,
		.joblog = o->joblog,
		.joblog_goes_on = o->resume || o->resume_failed || o->before,
		.logged = done->v,
		.logged_len = done->len,
		.results = o->results,
		.tally = &tally};
	char *only[] = {NULL, NULL};
	struct ff_execute_opts execute = {.reports = &o->reports,
					  .on = o->on,
					  .only = only,
					  .usage_code = FF_MAP_USAGE,
					  .command = "map",
					  .web = o->web,
					  .cert = o->cert,
					  .key = o->key,
					  .mapped = &mapped,
					  .before = o->before,
					  .begun = ff_map_unkept(o) ? NULL : keep_input,
					  .begun_ctx = &keep,
					  .argc = o->argc,
					  .argv = o->argv};
	const struct ff_run_feed feed = {.fd = STDIN_FILENO,
					 .job = 0,
					 .enough =
						 lines->blocks_fd >= 0 ? BLOCKS_AHEAD : LINES_AHEAD,
					 .take = ff_map_take,
					 .ctx = &keep};
	const struct ff_config_opts file_opts = {0};
	int64_t slots = 0;
	struct ff_config config;
	int code = FF_MAP_USAGE;

	if (lines->base.open)
		execute.feed = &feed;
	if (o->dry)
		return print_commands(lines);
	if (lines->base.len == 0)
		return run_nothing(&mapped);
	if (load(&config, o))
		return code;
	if (o->inventory && strcmp(o->inventory, "-") != 0 &&
	    strcmp(o->inventory, "/dev/stdin") != 0) {
		execute.file = o->inventory;
		execute.file_opts = &file_opts;
		execute.file_change = set_slots;
		execute.file_ctx = &slots;
	}
	only[0] = ff_xstrdup(add_job(&config, o, lines));
	if (!add_hosts(&config, o, &slots) && (!o->halt || !ff_map_halt(&config, o->halt)))
		code = ff_execute(&config, &execute);
	ff_map_keep_end(&keep);
	ff_free(only[0]);
	ff_config_release(&config);
	return code;
}

/* What the job log has, where there is one to go on with. */
static int read_done(const struct options *o, struct done *done)
{
	struct ff_err err = {0};

	if (!o->joblog || (!o->resume && !o->resume_failed && !o->before))
		return 0;
	if (ff_joblog_read(o->joblog, o->resume_failed && !o->before, &done->v, &done->len, &err)) {
		ff_complain("map: %s", err.text);
		return -1;
	}
	return 0;
}

int ff_map_run(const struct options *o, const struct ff_strv *words, struct ff_map_kept *kept)
{
	struct ff_map_input input = {.files = &o->files, .end = {"\n", 1, false}, .kept = kept};
	struct ff_buf delimiter = FF_BUF_INIT;
	struct ff_lines lines;
	struct done done = {0};
	int code = FF_MAP_USAGE;

	ff_lines_init(&lines);
	if (ff_map_check(o, &input.block_bytes) == 0 && ff_map_check_items(o) == 0 &&
	    ff_map_how(o, &lines.how) == 0 && ff_map_input_said(o, &input, &delimiter) == 0 &&
	    ff_map_read(&lines, &input, words) == 0 && ff_map_tag(o, &lines) == 0 &&
	    (!(o->xargs || o->merge) || pack(o, &lines) == 0) && read_done(o, &done) == 0) {
		/* By the journal they are units, too, which are done. */
		if (done.v && !kept) {
			ff_lines_skip(&lines, done.v, done.len);
			done = (struct done){0};
		}
		if ((!lines.base.open || ff_map_read_first(&lines, &input) == 0) &&
		    ff_map_kept_check_units(kept, lines.base.len) == 0)
			code = run_lines(o, &lines, &done);
	}
	ff_free(done.v);
	ff_lines_release(&lines);
	ff_buf_release(&delimiter);
	return code;
}

void ff_map_options_release(struct options *o)
{
	ff_strv_release(&o->tx);
	ff_strv_release(&o->files);
	ff_strv_release(&o->reports);
	ff_strv_release(&o->sent);
	ff_strv_release(&o->returned);
	ff_strv_release(&o->both);
}

/* A job log says what is done by itself: which run it was is not asked then. */
static int check_resume(const struct options *o)
{
	const char *run = o->resume ? o->resume : o->resume_failed;

	if (!run || !o->joblog || strcmp(run, "last") == 0)
		return 0;
	ff_complain("map: what is done says the run '%s' or the job log '%s', not both", run,
		    o->joblog);
	return -1;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.argc = argc, .argv = argv};
	struct ff_strv words = FF_STRV_INIT, none = FF_STRV_INIT;
	int code = FF_MAP_USAGE;
	int rc = ff_options_parse(command, argc, argv, &o, &none, &words);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && check_resume(&o) == 0)
		code = (o.resume || o.resume_failed) && !o.joblog ? ff_map_resume(&o, argc, argv)
								  : ff_map_run(&o, &words, NULL);
	ff_strv_release(&words);
	ff_strv_release(&none);
	ff_map_options_release(&o);
	return code;
}

const struct ff_command ff_command_map = {
	.name = "map",
	.summary = "Run a command for each line of stdin, over local and remote slots.",
	.synopsis = "[OPTIONS] [--] COMMAND [::: WORD...] < LINES",
	.details =
		"COMMAND is shell text, its words with blanks between; {} is the line, {.} without "
		"its\n"
		"extension, {/} without its folder, {//} the folder, {/.} without both, {#} the "
		"unit's\n"
		"number, {%} that of its slot, {2} the second column or source ({2/}, {-1}, ...). "
		"Without\n"
		"any {} is appended. Values are quoted as the shell must read them where they "
		"stand. Without\n"
		"COMMAND the lines are commands. ::: words and :::: files are items in place of "
		"stdin's; of\n"
		"several each combination is a unit, :::+ and ::::+ go along with those before. "
		"Without -f or\n"
		"--tx units run here, one per CPU at a time.\n"
		"What was read is kept with the journal: --resume goes on with a run that was "
		"killed or interrupted,\n"
		"by all that it was given; with COMMAND it must be the same one. Where stdin had "
		"not come to its end\n"
		"it is wanted again, from its beginning.\n"
		"Exit codes: the number of units that failed up to 100, 101: more, 255: the run "
		"itself did,\n"
		"130: interrupted, 141: nobody read the output any more; with --halt WHEN,fail=1 "
		"or done=1\n"
		"what that unit ended with.\n",
	.options = options,
	.ends_with_word = true,
	.run = run,
};

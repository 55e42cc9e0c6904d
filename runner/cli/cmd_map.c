/* farflung map -- CMD: a command for each line, over all slots */
#include <limits.h>
#include <sched.h>
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
enum { SLOTS_MAX = 100000, SLOTS_UNLIMITED = 1000, RESULT_KEPT = 64 << 10 };
#define BLOCK_DEFAULT (INT64_C(1) << 20)

static const struct ff_option options[] = {
	FF_OPTION("jobs", 'j', TEXT, "N",
		  "so many at a time on each host: a number, 200%, +2, -1; 0: no limit", slots),
	FF_OPTION("tx", 0, LIST, "XSPEC", "run at an xspec, [N*]popen, ssh=HOST, ... (repeatable)",
		  tx),
	FF_OPTION("inventory", 'f', TEXT, "FILE",
		  "run on the hosts of this YAML file, with its tree and settings", inventory),
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "use only hosts that match: names, tags, n[1-9], !not, &and", on),
	FF_OPTION("arg-file", 'a', LIST, "FILE", "items from FILE, not stdin (repeatable)", files),
	FF_OPTION("null", '0', FLAG, NULL, "items end with a NUL, not a line end", nul),
	FF_OPTION("no-run-if-empty", 'r', FLAG, NULL, "no unit for an empty line", skip_empty),
	FF_OPTION("colsep", 'C', TEXT, "REGEX",
		  "split each item into {1} {2} ...: an extended regular expression, \\t a tab",
		  separator),
	FF_OPTION("max-replace-args", 'N', TEXT, "0|1",
		  "0: the command as it is, once for each item, which it does not get", max_args),
	FF_OPTION("pipe", 0, FLAG, NULL,
		  "blocks of stdin as stdin of the command, cut at line ends", pipe),
	FF_OPTION("block", 0, TEXT, "SIZE", "how large these are (default: 1M)", block),
	FF_OPTION("keep-order", 'k', FLAG, NULL, "output in the order of the items", keep),
	FF_OPTION("tag", 0, FLAG, NULL, "each line of output behind its item and a tab", tag),
	FF_OPTION("line-buffer", 0, FLAG, NULL, "lines as they come, of all units mixed", lines),
	FF_OPTION("lb", 0, FLAG, NULL, "", lines),
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
	FF_OPTION_OF("retries", JOB, "retries", retries, NULL),
	FF_OPTION_OF("retry-delay", JOB, "retry_delay", retry_delay, NULL),
	FF_OPTION_OF("timeout", JOB, "timeout", timeout, NULL),
	FF_OPTION("halt", 0, TEXT, "WHEN",
		  "never, or now|soon,fail|success|done=N|N%: now kills what runs", halt),
	FF_OPTION("dry-run", 0, FLAG, NULL, "print the commands, run none", dry),
	FF_OPTION("bar", 0, FLAG, NULL, "show how far it is, if stderr is a terminal", bar),
	FF_OPTION("eta", 0, FLAG, NULL, "the same", bar),
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION_WEB(web),
	FF_OPTIONS_END,
};

/* --- what the command line says --- */

static int64_t cpus(void)
{
	cpu_set_t may;

	return sched_getaffinity(0, sizeof(may), &may) < 0 ? 1 : CPU_COUNT(&may);
}

/* -j: at least 1, or -1 with a complaint. */
static int64_t read_slots(const char *text)
{
	const char *digits = text + (*text == '+' || *text == '-');
	size_t len = strspn(digits, "0123456789");
	bool percent = digits[len] == '%' && digits == text;
	long long n = strtoll(digits, NULL, 10);

	if (len == 0 || len > 6 || digits[len + percent]) {
		ff_complain("map: -j wants a number, a percentage of the CPUs, +N or -N, got '%s'",
			    text);
		return -1;
	}
	if (percent)
		n = (cpus() * n + 50) / 100;
	else if (digits > text)
		n = *text == '+' ? cpus() + n : cpus() - n;
	else if (n == 0)
		n = SLOTS_UNLIMITED;
	return n < 1 ? 1 : n > SLOTS_MAX ? SLOTS_MAX : n;
}

/* "now,fail=3", "soon,success=10%", "never"; GNU parallel's older 0, 1 and 2. */
static int read_halt(struct ff_config *config, const char *text)
{
	static const struct {
		const char *word;
		enum ff_halt on;
	} kinds[] = {
		{"fail=", FF_HALT_FAIL}, {"success=", FF_HALT_SUCCESS}, {"done=", FF_HALT_DONE}};
	const char *why, *digits = NULL;
	enum ff_halt on = FF_HALT_NEVER;
	size_t len;
	int64_t n;

	if (!strcmp(text, "never") || !strcmp(text, "0"))
		return 0;
	if (!strcmp(text, "1") || !strcmp(text, "2"))
		text = *text == '1' ? "soon,fail=1" : "now,fail=1";
	why = strchr(text, ',');
	for (size_t i = 0; why && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strncmp(why + 1, kinds[i].word, strlen(kinds[i].word))) {
			on = kinds[i].on;
			digits = why + 1 + strlen(kinds[i].word);
		}
	len = digits ? strspn(digits, "0123456789") : 0;
	n = len && len < 10 ? strtoll(digits, NULL, 10) : 0;
	if (n < 1 || (digits[len] && strcmp(digits + len, "%") != 0) ||
	    (strncmp(text, "now,", 4) && strncmp(text, "soon,", 5)) || (digits[len] && n > 100)) {
		ff_complain("map: --halt wants never, or now or soon, a comma, and fail=, success= "
			    "or done= with a number from 1 or a percentage, got '%s'",
			    text);
		return -1;
	}
	config->settings.halt.on = on;
	config->settings.halt.now = *text == 'n';
	config->settings.halt.count = digits[len] ? 0 : n;
	config->settings.halt.percent = digits[len] ? n : 0;
	return 0;
}

/* What fits together. */
static int check(const struct options *o, int64_t *block_bytes)
{
	*block_bytes = o->block ? ff_config_size_bytes(o->block) : BLOCK_DEFAULT;
	if (*block_bytes < 1) {
		ff_complain("map: --block wants a size such as 64k or 10M, got '%s'", o->block);
		return -1;
	}
	if (o->max_args && strcmp(o->max_args, "0") != 0 && strcmp(o->max_args, "1") != 0) {
		ff_complain("map: -N wants 0 or 1, got '%s'", o->max_args);
		return -1;
	}
	if (o->block && !o->pipe) {
		ff_complain("map: --block is for --pipe");
		return -1;
	}
	if (o->keep && o->lines) {
		ff_complain("map: --keep-order and --line-buffer exclude each other");
		return -1;
	}
	if (o->pipe && (o->sent.len || o->both.len)) {
		ff_complain("map: --transferfile has no items with --pipe");
		return -1;
	}
	if (o->cleanup && !o->sent.len && !o->returned.len) {
		ff_complain("map: --cleanup wants --transferfile or --return");
		return -1;
	}
	if (o->inventory && o->tx.len > 0) {
		ff_complain("map: hosts are those of -f FILE or of --tx, not of both");
		return -1;
	}
	return 0;
}

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
	*slots = o->slots ? read_slots(o->slots) : 0;
	if (*slots < 0)
		return -1;
	for (size_t i = 0; i < o->tx.len; i++)
		ff_config_add_host(config, o->tx.v[i]);
	if (o->tx.len == 0 && !o->inventory) {
		ff_config_add_host(config, "popen");
		*slots = *slots ? *slots : cpus();
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
	set(config, job, "retry_delay", o->retry_delay);
	set(config, job, "timeout", o->timeout);
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

static char *argument_of(void *ctx, uint32_t index, size_t nth)
{
	return ff_lines_argument(ctx, index, nth);
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

static void keep_input(void *ctx, const char *journal)
{
	ff_map_keep_begin(ctx, journal);
}

/* What the job log has is `done`, where it goes on; NULL: nothing. */
static int run_lines(const struct options *o, struct ff_lines *lines, const struct done *done)
{
	struct ff_map_keep keep = {.lines = lines, .end = o->nul ? '\0' : '\n', .fd = -1};
	struct ff_mapped_tally tally = {0};
	const struct ff_mapped_opts mapped = {
		.units = {seq_of, command_of, arguments_of, argument_of, lines},
		.order = o->keep    ? FF_MAPPED_KEPT
			 : o->lines ? FF_MAPPED_LINES
				    : FF_MAPPED_GROUPED,
		.tag = o->tag,
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
					  .mapped = &mapped,
					  .before = o->before,
					  .begun = o->pipe ? NULL : keep_input,
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
	struct ff_err err = {0};
	int code = FF_MAP_USAGE;

	if (lines->base.open)
		execute.feed = &feed;
	if (o->dry)
		return print_commands(lines);
	if (lines->base.len == 0)
		return run_nothing(&mapped);
	if (!o->inventory) {
		ff_config_init(&config);
	} else if (ff_config_load(&config, o->inventory, &err) < 0) {
		ff_complain_lines(err.text);
		ff_complain_last("nothing was started", code);
		return code;
	}
	if (o->inventory && strcmp(o->inventory, "-") != 0 &&
	    strcmp(o->inventory, "/dev/stdin") != 0) {
		execute.file = o->inventory;
		execute.file_opts = &file_opts;
		execute.file_change = set_slots;
		execute.file_ctx = &slots;
	}
	only[0] = ff_xstrdup(add_job(&config, o, lines));
	if (!add_hosts(&config, o, &slots) && (!o->halt || !read_halt(&config, o->halt)))
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
	struct ff_map_input input = {.files = &o->files,
				     .nul = o->nul,
				     .skip_empty = o->skip_empty,
				     .separator = o->separator,
				     .pipe = o->pipe,
				     .all = o->dry,
				     .kept = kept};
	struct ff_lines lines;
	struct done done = {0};
	int code = FF_MAP_USAGE;

	ff_lines_init(&lines);
	lines.bare = o->max_args && strcmp(o->max_args, "0") == 0;
	if (check(o, &input.block_bytes) == 0 && ff_map_read(&lines, &input, words) == 0 &&
	    read_done(o, &done) == 0) {
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

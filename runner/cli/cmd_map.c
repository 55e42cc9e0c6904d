/* farflung map -- CMD: a command for each line, over all slots */
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
enum { CHARS_DEFAULT = 130000, CHARS_MAX = 131072, GROUP_MAX = 1000000 };
#define TIMEOUT_FLOOR_US INT64_C(100000) /* what a percentage comes to at least */
#define BLOCK_DEFAULT	 (INT64_C(1) << 20)

struct options {
	struct ff_strv tx, files, reports;
	const char *slots, *on, *inventory, *separator, *joblog, *results, *halt, *retries,
		*retry_delay, *timeout, *block, *max_replace, *max_args, *max_chars, *delimiter,
		*trim, *header, *delay;
	bool nul, skip_empty, resume, resume_failed, tag, keep, lines, dry, bar, pipe, xargs, merge,
		link, quote, shuffle;
	int argc;
	char **argv;
};

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
	FF_OPTION("line-buffer", 0, FLAG, NULL, "lines as they come, of all units mixed", lines),
	FF_OPTION("lb", 0, FLAG, NULL, "", lines),
	FF_OPTION("results", 0, TEXT, "DIR",
		  "a folder per unit, DIR/1/ITEM: stdout, stderr, seq, status", results),
	FF_OPTION("joblog", 0, TEXT, "FILE", "a line per unit that has ended, as GNU parallel's",
		  joblog),
	FF_OPTION("resume", 0, FLAG, NULL, "leave out what the job log has", resume),
	FF_OPTION("resume-failed", 0, FLAG, NULL, "but run again what it has as failed",
		  resume_failed),
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
	FF_OPTION_REPORT_FILES(reports),
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

/* How items become units. */
static int read_how(const struct options *o, struct ff_lines_how *how)
{
	int64_t many = ff_map_number("-N", o->max_replace, 0, GROUP_MAX);
	int64_t plain = ff_map_number("-n", o->max_args, 0, GROUP_MAX);
	int trim = ff_map_trim(o->trim);

	if (many < 0 || plain < 0 || trim < 0)
		return -1;
	how->bare = (o->max_replace && many == 0) || (o->max_args && plain == 0);
	how->group = (uint32_t)(many ? many : plain);
	if (how->group == 1 && !o->xargs && !o->merge)
		how->group = 0;
	how->context = (o->xargs || (how->group && o->max_replace)) && !o->merge;
	how->link = o->link;
	how->trim = (unsigned)trim;
	return 0;
}

/* What fits together, of what makes units. */
static int check_items(const struct options *o)
{
	const char *many = o->max_replace	     ? "-N"
			   : o->max_args	     ? "-n"
			   : o->xargs		     ? "-X"
			   : o->merge		     ? "-m"
			   : o->header		     ? "--header"
			   : o->link		     ? "--link"
			   : o->shuffle		     ? "--shuf"
			   : o->trim		     ? "--trim"
			   : o->separator && o->pipe ? "-C"
						     : NULL;

	if (o->max_replace && o->max_args) {
		ff_complain("map: -N and -n exclude each other");
		return -1;
	}
	if (o->header && strcmp(o->header, ":") != 0) {
		ff_complain("map: --header wants ':', got '%s'", o->header);
		return -1;
	}
	if (o->max_chars && !o->xargs && !o->merge) {
		ff_complain("map: --max-chars is for -X and -m");
		return -1;
	}
	if (o->nul && o->delimiter) {
		ff_complain("map: -0 and -d exclude each other");
		return -1;
	}
	if (o->pipe && many) {
		ff_complain("map: %s is about items, and --pipe has none", many);
		return -1;
	}
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
	if ((o->resume || o->resume_failed) && !o->joblog) {
		ff_complain("map: --resume and --resume-failed want --joblog FILE, which says what "
			    "is done");
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
	if (ff_map_check_timeout(o->timeout))
		return -1;
	if (o->inventory && o->tx.len > 0) {
		ff_complain("map: hosts are those of -f FILE or of --tx, not of both");
		return -1;
	}
	return 0;
}

/* --- the configuration --- */

static int add_hosts(struct ff_config *config, const struct options *o)
{
	int64_t slots = o->slots ? read_slots(o->slots) : 0;

	if (slots < 0)
		return -1;
	for (size_t i = 0; i < o->tx.len; i++)
		ff_config_add_host(config, o->tx.v[i]);
	if (o->tx.len == 0 && !o->inventory) {
		ff_config_add_host(config, "popen");
		slots = slots ? slots : cpus();
	}
	for (size_t i = 0; i < config->hosts_len && slots; i++)
		config->hosts[i].slots = slots;
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
	set(config, job, "retries", o->retries);
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

/* --- running --- */

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

	if (load(&config, o))
		return 0;
	if (add_hosts(&config, o) == 0) {
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

static int run_lines(const struct options *o, struct ff_lines *lines)
{
	struct ff_mapped_tally tally = {0};
	const struct ff_mapped_opts mapped = {
		.units = {seq_of, command_of, arguments_of, argument_of, lines},
		.order = o->keep    ? FF_MAPPED_KEPT
			 : o->lines ? FF_MAPPED_LINES
				    : FF_MAPPED_GROUPED,
		.tag = o->tag,
		.bar = o->bar,
		.joblog = o->joblog,
		.joblog_goes_on = o->resume || o->resume_failed,
		.results = o->results,
		.tally = &tally};
	char *only[] = {NULL, NULL};
	struct ff_execute_opts execute = {.reports = &o->reports,
					  .on = o->on,
					  .only = only,
					  .usage_code = FF_MAP_USAGE,
					  .command = "map",
					  .mapped = &mapped,
					  .argc = o->argc,
					  .argv = o->argv};
	const struct ff_run_feed feed = {.fd = STDIN_FILENO,
					 .job = 0,
					 .enough =
						 lines->blocks_fd >= 0 ? BLOCKS_AHEAD : LINES_AHEAD,
					 .take = ff_map_take,
					 .ctx = lines};
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
	only[0] = ff_xstrdup(add_job(&config, o, lines));
	if (!add_hosts(&config, o) && (!o->halt || !read_halt(&config, o->halt)))
		code = ff_execute(&config, &execute);
	ff_free(only[0]);
	ff_config_release(&config);
	return code;
}

static int skip_done(const struct options *o, struct ff_lines *lines)
{
	struct ff_err err = {0};
	uint32_t done_len;
	bool *done;

	if (!o->resume && !o->resume_failed)
		return 0;
	if (ff_joblog_read(o->joblog, o->resume_failed, &done, &done_len, &err)) {
		ff_complain("map: %s", err.text);
		return -1;
	}
	ff_lines_skip(lines, done, done_len);
	return 0;
}

static int read_input(const struct options *o, struct ff_map_input *input, struct ff_buf *delimiter)
{
	if (o->delimiter && ff_map_delimiter(o->delimiter, delimiter))
		return -1;
	if (o->delimiter)
		input->end = (struct ff_lines_end){ff_buf_str(delimiter), delimiter->len, false};
	if (o->nul)
		input->end = (struct ff_lines_end){"", 1, false};
	if (o->pipe && input->end.len != 1) {
		ff_complain("map: with --pipe -d wants one character, got '%s'", o->delimiter);
		return -1;
	}
	input->end.skip_empty = o->skip_empty;
	input->split_words = o->delimiter != NULL;
	input->separator = o->separator;
	input->pipe = o->pipe;
	input->all = o->dry || o->xargs || o->merge || o->header || o->shuffle;
	input->header = o->header != NULL;
	input->shuffle = o->shuffle;
	input->quote = o->quote;
	return 0;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.argc = argc, .argv = argv};
	struct ff_strv words = FF_STRV_INIT, none = FF_STRV_INIT;
	struct ff_map_input input = {.files = &o.files, .end = {"\n", 1, false}};
	struct ff_buf delimiter = FF_BUF_INIT;
	struct ff_lines lines;
	int code = FF_MAP_USAGE;
	int rc = ff_options_parse(command, argc, argv, &o, &none, &words);

	ff_lines_init(&lines);
	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && check(&o, &input.block_bytes) == 0 && check_items(&o) == 0 &&
		 read_how(&o, &lines.how) == 0 && read_input(&o, &input, &delimiter) == 0 &&
		 ff_map_read(&lines, &input, &words) == 0 &&
		 (!(o.xargs || o.merge) || pack(&o, &lines) == 0) && skip_done(&o, &lines) == 0 &&
		 (!lines.base.open || ff_map_read_first(&lines, &input) == 0))
		code = run_lines(&o, &lines);
	ff_lines_release(&lines);
	ff_buf_release(&delimiter);
	ff_strv_release(&words);
	ff_strv_release(&none);
	ff_strv_release(&o.tx);
	ff_strv_release(&o.files);
	ff_strv_release(&o.reports);
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
		"Exit codes: the number of units that failed up to 100, 101: more, 255: the run "
		"itself did,\n"
		"130: interrupted, 141: nobody read the output any more; with --halt WHEN,fail=1 "
		"or done=1\n"
		"what that unit ended with.\n",
	.options = options,
	.ends_with_word = true,
	.run = run,
};

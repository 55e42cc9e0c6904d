/* farflung exec -- CMD: one command on every host; what several say alike is shown once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "cli/command.h"
#include "cli/udiff.h"
#include "dispatch/dispatch.h"
#include "report/text.h"

enum { INPUT_MAX = 16 << 20 };

struct options {
	const char *file, *on, *timeout, *input;
	struct ff_strv tx;
	int64_t fanout;
	bool diff;
};

static const struct ff_option options[] = {
	FF_OPTION("file", 'f', TEXT, "FILE", "the hosts of this YAML file; farflung.yaml", file),
	FF_OPTION("tx", 0, LIST, "XSPEC", "a host, or a set of them, without a file; several times",
		  tx),
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "only hosts that match: names, tags, n[1-9], !not, &and", on),
	FF_OPTION("fanout", 0, NUMBER, "N", "on so many hosts at a time; all", fanout),
	FF_OPTION_OF("timeout", JOB, "timeout", timeout, NULL),
	FF_OPTION("input", 'i', TEXT, "FILE",
		  "each reads it (-: our stdin), at most 16 MiB; nothing", input),
	FF_OPTION("diff", 0, FLAG, NULL, "show what differs from what most hosts say", diff),
	FF_OPTIONS_END,
};

/* --- what was said alike --- */

struct group {
	char *key; /* how it ended, and what it said */
	enum ff_exec_end end;
	char *message; /* NULL: it passed */
	char *output;
	size_t output_len;
	const char **names; /* of hosts, borrowed */
	size_t len, cap;
	uint32_t first; /* number of the first host */
};

struct table {
	struct group *groups;
	size_t len, cap;
	struct ff_map by_key; /* index + 1 */
	size_t hosts;
};

static struct group *group_of(struct table *table, const struct ff_exec_result *result)
{
	struct ff_buf key = FF_BUF_INIT;
	struct group *group;
	uintptr_t number;

	/* Bytes may be NUL: the key has them doubled by what they are not mistaken for. */
	ff_buf_addf(&key, "%d %s\n", (int)result->end, result->message ? result->message : "");
	for (size_t i = 0; i < result->output_len; i++) {
		unsigned char byte = (unsigned char)result->output[i];

		ff_buf_addch(&key, byte < 2 ? '\1' : (char)byte);
		if (byte < 2)
			ff_buf_addch(&key, byte ? '1' : '0');
	}
	number = (uintptr_t)ff_map_get(&table->by_key, ff_buf_str(&key));
	if (number) {
		ff_buf_release(&key);
		return &table->groups[number - 1];
	}
	if (table->len == table->cap) {
		table->cap = table->cap ? table->cap * 2 : 16;
		table->groups = ff_xrealloc(table->groups, table->cap * sizeof(*table->groups));
	}
	group = &table->groups[table->len++];
	*group = (struct group){
		.end = result->end,
		.message = result->message ? ff_xstrdup(result->message) : NULL,
		.output = ff_xcalloc(1, result->output_len + 1),
		.output_len = result->output_len,
		.first = UINT32_MAX,
	};
	memcpy(group->output, result->output, result->output_len);
	if (ff_map_set(&table->by_key, ff_buf_str(&key), (void *)(uintptr_t)table->len))
		abort();
	ff_buf_release(&key);
	return group;
}

static void add(void *ctx, const struct ff_exec_result *result)
{
	struct table *table = ctx;
	struct group *group = group_of(table, result);

	if (group->len == group->cap) {
		group->cap = group->cap ? group->cap * 2 : 4;
		group->names = ff_xrealloc(group->names, group->cap * sizeof(*group->names));
	}
	group->names[group->len++] = result->host->name;
	if (result->host->index < group->first)
		group->first = result->host->index;
	table->hosts++;
}

static void table_release(struct table *table)
{
	for (size_t i = 0; i < table->len; i++) {
		ff_free(table->groups[i].message);
		ff_free(table->groups[i].output);
		ff_free(table->groups[i].names);
	}
	ff_free(table->groups);
	ff_map_release(&table->by_key);
}

static int by_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Names in the order of the inventory do not matter to ranges, but to what can't be one. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort(struct table *table)
{
	qsort(table->groups, table->len, sizeof(*table->groups), by_first);
	for (size_t i = 0; i < table->len; i++)
		qsort(table->groups[i].names, table->groups[i].len, sizeof(const char *), by_name);
}

/* --- showing it --- */

static bool ended(const struct group *group)
{
	return group->end == FF_EXEC_PASSED || group->end == FF_EXEC_FAILED;
}

static void print_text(const char *text, size_t len)
{
	struct ff_buf out = FF_BUF_INIT;

	if (isatty(STDOUT_FILENO)) {
		ff_text_lines(&out, text, len, "", true);
		text = out.len ? ff_buf_str(&out) : "";
		len = out.len;
	}
	fwrite(text, 1, len, stdout);
	if (len && text[len - 1] != '\n')
		putchar('\n');
	ff_buf_release(&out);
}

static void add_names(struct ff_buf *out, const struct group *group)
{
	struct ff_buf names = FF_BUF_INIT;

	ff_range_fold(&names, group->names, group->len);
	ff_text_line(out, ff_buf_str(&names), 0, "");
	ff_buf_release(&names);
}

/* "node[01-08,10]: exit status 2" */
static void print_heading(const struct group *group, bool more)
{
	static const char *const without[] = {
		[FF_EXEC_UNREACHED] = "not reachable: ",
		[FF_EXEC_LOST] = "lost: ",
	};
	const char *how =
		group->end < sizeof(without) / sizeof(*without) ? without[group->end] : "";
	struct ff_buf line = FF_BUF_INIT;

	add_names(&line, group);
	ff_buf_addch(&line, ':');
	if (group->message) {
		ff_buf_addf(&line, " %s", how ? how : "");
		ff_text_line(&line, group->message, 0, "");
	} else if (!group->output_len) {
		ff_buf_addstr(&line, " no output");
	}
	printf("%s%s\n", more ? "\n" : "", ff_buf_str(&line));
	ff_buf_release(&line);
}

static void print_diff(const struct group *base, const struct group *group)
{
	struct ff_buf diff = FF_BUF_INIT, names = FF_BUF_INIT;

	ff_udiff(&diff, base->output, base->output_len, group->output, group->output_len);
	if (diff.len) {
		add_names(&names, base);
		printf("--- %s\n", ff_buf_str(&names));
		ff_buf_clear(&names);
		add_names(&names, group);
		printf("+++ %s\n", ff_buf_str(&names));
		print_text(ff_buf_str(&diff), diff.len);
	} else {
		printf("the same output as ");
		add_names(&names, base);
		printf("%s\n", ff_buf_str(&names));
	}
	ff_buf_release(&diff);
	ff_buf_release(&names);
}

/* What most hosts say; of several the first. NULL: none said anything. */
static const struct group *most_common(const struct table *table)
{
	const struct group *most = NULL;

	for (size_t i = 0; i < table->len; i++)
		if (ended(&table->groups[i]) && (!most || table->groups[i].len > most->len))
			most = &table->groups[i];
	return most;
}

static void print_table(struct table *table, bool diff)
{
	const struct group *base = diff ? most_common(table) : NULL;
	bool more = false;

	sort(table);
	base = diff ? most_common(table) : NULL;
	if (base) {
		print_heading(base, false);
		print_text(base->output, base->output_len);
		more = true;
	}
	for (size_t i = 0; i < table->len; i++) {
		const struct group *group = &table->groups[i];

		if (group == base)
			continue;
		print_heading(group, more);
		if (base && ended(group))
			print_diff(base, group);
		else
			print_text(group->output, group->output_len);
		more = true;
	}
}

/* "9 passed, 1 failed (n4), 1 not reachable (n5)" */
static void complain_last(const struct table *table, int code)
{
	static const struct {
		enum ff_exec_end end;
		const char *word;
	} words[] = {{FF_EXEC_PASSED, "passed"},
		     {FF_EXEC_FAILED, "failed"},
		     {FF_EXEC_UNREACHED, "not reachable"},
		     {FF_EXEC_LOST, "lost"},
		     {FF_EXEC_STOPPED, "interrupted"}};
	struct ff_buf line = FF_BUF_INIT;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const char **names = ff_xcalloc(table->hosts + 1, sizeof(*names));
		size_t len = 0;

		for (size_t j = 0; j < table->len; j++)
			for (size_t k = 0;
			     table->groups[j].end == words[i].end && k < table->groups[j].len; k++)
				names[len++] = table->groups[j].names[k];
		if (len)
			ff_buf_addf(&line, "%s%zu %s", line.len ? ", " : "", len, words[i].word);
		if (len && i) {
			ff_buf_addstr(&line, " (");
			ff_range_fold(&line, names, len);
			ff_buf_addch(&line, ')');
		}
		ff_free(names);
	}
	ff_complain_last(line.len ? ff_buf_str(&line) : "no host", code);
	ff_buf_release(&line);
}

/* --- from words to a run --- */

static int read_input(const char *path, struct ff_buf *input, struct ff_err *err)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;
	int rc = 0;

	if (fd < 0)
		return ff_err_sys(err, errno, "%s", path);
	while (got && !rc) {
		uint8_t *room = ff_buf_reserve(input, 1 << 16);

		if (!room)
			return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		got = read(fd, room, 1 << 16);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			rc = ff_err_sys(err, errno, "%s", is_stdin ? "stdin" : path);
		else
			ff_buf_added(input, (size_t)got);
		if (!rc && input->len > INPUT_MAX)
			rc = ff_err_set(err, FF_ETOOBIG, "%s: more than %d MiB",
					is_stdin ? "stdin" : path, INPUT_MAX >> 20);
	}
	if (!is_stdin)
		close(fd);
	return rc;
}

static int load(struct ff_config *config, const struct options *o, struct ff_err *err)
{
	const char *path = o->file ? o->file : "farflung.yaml";
	int rc;

	if (o->tx.len && o->file)
		return ff_err_set(err, FF_EINVAL, "farflung: exec: --file or --tx, not both");
	if (o->tx.len) {
		ff_config_init(config);
		for (size_t i = 0; i < o->tx.len; i++)
			ff_config_add_host(config, o->tx.v[i]);
		return 0;
	}
	rc = ff_config_load(config, path, err);
	if (rc == FF_ESYS && !o->file)
		return ff_err_set(err, rc,
				  "farflung: exec: %s (-f FILE or --tx XSPEC say the hosts)",
				  err->text);
	return rc;
}

static int execute(const struct options *o, const struct ff_strv *words)
{
	struct ff_config config = {0};
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct ff_run_opts opts = {
		.config = &config, .inventory = &inventory, .plan = &plan, .only_hosts = o->on};
	struct ff_exec_opts exec = {.fanout = (uint32_t)o->fanout};
	struct ff_buf input = FF_BUF_INIT;
	struct table table = {0};
	char hint[FF_SUGGEST_TEXT_MAX] = "";
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	/* One word is a text for the shell, as with ssh; several are what they are. */
	exec.shell = words->len == 1 ? words->v[0] : NULL;
	exec.argv = words->v;
	exec.timeout_us = o->timeout ? ff_config_duration_us(o->timeout) : 0;
	if (load(&config, o, &err) < 0 || ff_inventory_build(&inventory, &config, &err) < 0) {
		ff_complain_lines(err.text);
	} else if (o->on && ff_inventory_check(&inventory, o->on, &err) < 0) {
		ff_inventory_suggest(&inventory, o->on, hint);
		ff_complain("exec: --on: %s%s", err.text, hint);
	} else if (o->input && read_input(o->input, &input, &err) < 0) {
		ff_complain("exec: --input: %s", err.text);
	} else {
		config.tree.given = false; /* nothing is brought anywhere */
		exec.input = o->input ? (input.len ? ff_buf_data(&input) : (const void *)"") : NULL;
		exec.input_len = input.len;
		code = ff_dispatch_exec(&opts, &exec, add, &table);
		print_table(&table, o->diff);
		if (fflush(stdout) || ferror(stdout)) {
			ff_complain("exec: stdout: %s", strerror(errno));
			code = code == FF_EXIT_OK ? FF_EXIT_INFRA : code;
		}
		complain_last(&table, code);
	}
	table_release(&table);
	ff_buf_release(&input);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv rest = FF_STRV_INIT, after = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &rest, &after);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && rest.len && after.len)
		ff_complain("exec: '%s' stands before '--': the command goes behind it", rest.v[0]);
	else if (rc == 0 && !rest.len && !after.len)
		ff_complain("exec: what is to be run? (farflung exec [OPTIONS] -- COMMAND)");
	else if (rc == 0)
		code = execute(&o, after.len ? &after : &rest);
	ff_strv_release(&rest);
	ff_strv_release(&after);
	ff_strv_release(&o.tx);
	return code;
}

const struct ff_command ff_command_exec = {
	.name = "exec",
	.summary = "Run a command once on each host, and show what they say, alike ones together.",
	.synopsis = "[OPTIONS] -- COMMAND [ARG…]",
	.details = "A single word is a text for /bin/sh there; several are the program and its "
		   "arguments.\n"
		   "Output (stdout and stderr together) is shown when all have ended, under the "
		   "hosts that\n"
		   "gave it: node[01-08,10]. Exit codes: 0 all passed, 1 some failed, 3 a host was "
		   "not\n"
		   "reachable or got lost, 2 usage, 130 interrupted.\n",
	.options = options,
	.run = run,
};

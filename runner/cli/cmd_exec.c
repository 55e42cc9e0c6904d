/* farflung exec -- CMD: one command on every host; what several say alike is shown once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "cli/chosen.h"
#include "cli/command.h"
#include "cli/said.h"
#include "cli/secrets.h"
#include "report/text.h"

enum {
	INPUT_MAX = 16 << 20,
	WAITED_FOR_MAX = 100, /* hosts; more are not told by name while it goes on */
};

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
		  "only hosts that match: names, tags, @groups, n[1-9], !not, &and", on),
	FF_OPTION("fanout", 0, NUMBER, "N", "on so many hosts at a time; all", fanout),
	FF_OPTION_OF("timeout", JOB, "timeout", timeout, NULL),
	FF_OPTION("input", 'i', TEXT, "FILE",
		  "each reads it (-: our stdin), at most 16 MiB; nothing", input),
	FF_OPTION("diff", 0, FLAG, NULL, "show what differs from what most hosts say", diff),
	FF_OPTIONS_END,
};

/* --- from words to a run --- */

static int read_input(const char *path, struct ff_buf *input, struct ff_err *err)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), errnum;
	const char *name = is_stdin ? "stdin" : path;

	if (fd < 0)
		return ff_err_sys(err, errno, "%s", path);
	errnum = ff_read_all(fd, INPUT_MAX, input);
	if (!is_stdin)
		close(fd);
	if (errnum)
		return ff_err_sys(err, errnum, "%s", name);
	if (input->len > INPUT_MAX)
		return ff_err_set(err, FF_ETOOBIG, "%s: more than %d MiB", name, INPUT_MAX >> 20);
	return 0;
}

/* --- while it goes on --- */

struct progress {
	struct ff_said said;
	const struct ff_inventory *inventory;
	bool *left; /* of each host: it has not ended */
	size_t hosts, left_count;
	bool live; /* stderr is a terminal: one line there says who is waited for */
};

static void progress_init(struct progress *progress, const struct ff_inventory *inventory,
			  const char *on)
{
	progress->inventory = inventory;
	progress->left = ff_xcalloc(inventory->len + 1, sizeof(*progress->left));
	progress->live = isatty(STDERR_FILENO);
	for (size_t i = 0; i < inventory->len; i++) {
		progress->left[i] = ff_host_matches(&inventory->hosts[i], on);
		progress->hosts += progress->left[i];
	}
	progress->left_count = progress->hosts;
}

static void clear_line(const struct progress *progress)
{
	if (progress->live)
		fputs("\r\033[K", stderr);
}

/* "9 of 12 hosts; not yet: node[03,07-08]" */
static void show_left(const struct progress *progress)
{
	struct ff_buf text = FF_BUF_INIT, line = FF_BUF_INIT;
	const char *names[WAITED_FOR_MAX];
	size_t left = 0;
	struct winsize size;

	ff_buf_addf(&text, "%zu of %zu hosts", progress->hosts - progress->left_count,
		    progress->hosts);
	if (progress->left_count <= WAITED_FOR_MAX) {
		for (size_t i = 0; i < progress->inventory->len && left < WAITED_FOR_MAX; i++)
			if (progress->left[i])
				names[left++] = progress->inventory->hosts[i].name;
		ff_buf_addstr(&text, "; not yet: ");
		ff_range_fold(&text, names, left);
	}
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 2)
		size.ws_col = 80;
	ff_text_line(&line, ff_buf_str(&text), size.ws_col - 1U, "...");
	clear_line(progress);
	if (progress->left_count)
		fputs(ff_buf_str(&line), stderr);
	ff_buf_release(&text);
	ff_buf_release(&line);
}

static void add(void *ctx, const struct ff_exec_result *result)
{
	struct progress *progress = ctx;

	ff_said_add(&progress->said, result);
	progress->left[result->host->index] = false;
	progress->left_count--;
	if (progress->live)
		show_left(progress);
}

/* --- all of it --- */

static int exec_on(const struct ff_run_opts *opts, const struct ff_exec_opts *exec, bool diff)
{
	struct progress progress = {0};
	int code;

	progress_init(&progress, opts->inventory, opts->only_hosts);
	if (progress.live)
		show_left(&progress);
	code = ff_dispatch_exec(opts, exec, add, &progress);
	clear_line(&progress);
	ff_said_print(&progress.said, diff);
	if (fflush(stdout) || ferror(stdout)) {
		ff_complain("exec: stdout: %s", strerror(errno));
		code = code == FF_EXIT_OK ? FF_EXIT_INFRA : code;
	}
	ff_said_complain_last(&progress.said, code);
	ff_said_release(&progress.said);
	ff_free(progress.left);
	return code;
}

static int execute(const struct options *o, const struct ff_strv *words)
{
	struct ff_config config = {0};
	struct ff_inventory inventory = {0};
	struct ff_mask mask = {0};
	struct ff_plan plan = {0};
	struct ff_run_opts opts = {
		.config = &config, .inventory = &inventory, .plan = &plan, .only_hosts = o->on};
	struct ff_exec_opts exec = {.fanout = (uint32_t)o->fanout};
	struct ff_buf input = FF_BUF_INIT;
	const struct ff_chosen chosen = {
		.command = "exec", .file = o->file, .tx = &o->tx, .on = o->on};
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	/* One word is a text for the shell, as with ssh; several are what they are. */
	exec.shell = words->len == 1 ? words->v[0] : NULL;
	exec.argv = words->v;
	exec.timeout_us = o->timeout ? ff_config_duration_us(o->timeout) : 0;
	if (ff_chosen_load(&chosen, &config, &inventory, &mask) < 0) {
		code = FF_EXIT_USAGE;
	} else if (o->input && read_input(o->input, &input, &err) < 0) {
		ff_complain("exec: --input: %s", err.text);
	} else {
		config.tree.given = false; /* nothing is brought anywhere */
		exec.input = o->input ? (input.len ? ff_buf_data(&input) : (const void *)"") : NULL;
		exec.input_len = input.len;
		code = exec_on(&opts, &exec, o->diff);
	}
	ff_buf_release(&input);
	ff_secrets_forget(&mask);
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

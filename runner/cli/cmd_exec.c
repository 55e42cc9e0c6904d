/* farflung exec -- CMD: one command on every host; what several say alike is shown once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/chosen.h"
#include "cli/command.h"
#include "cli/said.h"

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

static void add(void *ctx, const struct ff_exec_result *result)
{
	ff_said_add(ctx, result);
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
	struct ff_said said = {0};
	const struct ff_chosen chosen = {
		.command = "exec", .file = o->file, .tx = &o->tx, .on = o->on};
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	/* One word is a text for the shell, as with ssh; several are what they are. */
	exec.shell = words->len == 1 ? words->v[0] : NULL;
	exec.argv = words->v;
	exec.timeout_us = o->timeout ? ff_config_duration_us(o->timeout) : 0;
	if (ff_chosen_load(&chosen, &config, &inventory) < 0) {
		code = FF_EXIT_USAGE;
	} else if (o->input && read_input(o->input, &input, &err) < 0) {
		ff_complain("exec: --input: %s", err.text);
	} else {
		config.tree.given = false; /* nothing is brought anywhere */
		exec.input = o->input ? (input.len ? ff_buf_data(&input) : (const void *)"") : NULL;
		exec.input_len = input.len;
		code = ff_dispatch_exec(&opts, &exec, add, &said);
		ff_said_print(&said, o->diff);
		if (fflush(stdout) || ferror(stdout)) {
			ff_complain("exec: stdout: %s", strerror(errno));
			code = code == FF_EXIT_OK ? FF_EXIT_INFRA : code;
		}
		ff_said_complain_last(&said, code);
	}
	ff_said_release(&said);
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

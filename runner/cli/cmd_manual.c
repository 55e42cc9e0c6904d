/* farflung manual: pages for man, from the tables of commands, options and xspecs. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/complete.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"
#include "wire/xspec.h"

static const struct ff_option options[] = {FF_OPTIONS_END};

/* Text as it is: nothing in it is mdoc. */
static void add_text(struct ff_buf *out, const char *text)
{
	bool begins = true;

	for (; *text; text++) {
		if (begins && (*text == '.' || *text == '\''))
			ff_buf_addstr(out, "\\&");
		if (*text == '\\')
			ff_buf_addstr(out, "\\e");
		else if (*text == '-')
			ff_buf_addstr(out, "\\-");
		else
			ff_buf_addch(out, *text);
		begins = *text == '\n';
	}
}

/* An argument of a macro. */
static void add_word(struct ff_buf *out, const char *text)
{
	ff_buf_addch(out, '"');
	for (char one[2] = ""; *text; text++) {
		one[0] = *text;
		if (*text == '"')
			ff_buf_addstr(out, "\\(dq");
		else if (*text == '.')
			ff_buf_addstr(out, "\\&.");
		else
			add_text(out, one);
	}
	ff_buf_addch(out, '"');
}

static void add_as_is(struct ff_buf *out, const char *text)
{
	ff_buf_addstr(out, ".Bd -literal\n");
	add_text(out, text);
	if (*text && text[strlen(text) - 1] != '\n')
		ff_buf_addch(out, '\n');
	ff_buf_addstr(out, ".Ed\n");
}

static void add_head(struct ff_buf *out, const char *name, const char *title, int section,
		     const char *what)
{
	ff_buf_addf(
		out,
		".\\\" Made by farflung manual.\n.Dd November 28, 2026\n.Dt %s %d\n.Os farflung "
		"%s\n.Sh NAME\n.Nm %s\n.Nd %s\n",
		title, section, FARFLUNG_VERSION, name, what);
}

/* --- farflung(1) --- */

static void add_option(void *ctx, const struct ff_complete_option *option)
{
	struct ff_buf *out = ctx;

	ff_buf_addstr(out, ".It");
	if (option->letter)
		ff_buf_addf(out, " Fl %c%s", option->letter, *option->name ? " ," : "");
	if (*option->name)
		ff_buf_addf(out, " Fl \\-%s", option->name);
	if (option->arg) {
		ff_buf_addstr(out, " Ar ");
		add_word(out, option->arg);
	}
	ff_buf_addch(out, '\n');
	add_text(out, option->help);
	ff_buf_addch(out, '\n');
}

static void add_command(struct ff_buf *out, const struct ff_command *command)
{
	ff_buf_addstr(out, ".Ss ");
	add_word(out, command->name);
	ff_buf_addstr(out, "\n.Nm\n.Cm ");
	add_word(out, command->name);
	ff_buf_addch(out, ' ');
	add_word(out, command->synopsis);
	ff_buf_addstr(out, "\n.Pp\n");
	add_text(out, command->summary);
	ff_buf_addstr(out, "\n.Bl -tag -width Ds\n");
	ff_complete_options(command, add_option, out);
	ff_buf_addstr(out, ".El\n");
	if (command->details)
		add_as_is(out, command->details);
}

static void add_commands(struct ff_buf *out)
{
	add_head(out, "farflung", "FARFLUNG", 1,
		 "distribute test runs and batch jobs over machines");
	ff_buf_addstr(out, ".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTIONS\n.Sh DESCRIPTION\n"
			   ".Nm\nruns tests and commands on the hosts that\n.Xr farflung.yaml 5\n"
			   "names, shows what came of each, and keeps a journal of the run in\n"
			   ".Pa .farflung/runs .\n.Sh COMMANDS\n");
	for (size_t i = 0; i < ff_commands_len; i++)
		add_command(out, ff_commands[i]);
	ff_buf_addstr(out, ".Sh SEE ALSO\n.Xr farflung.yaml 5 ,\n.Xr farflung-xspec 7\n");
}

/* --- farflung.yaml(5) --- */

static void add_file(struct ff_buf *out)
{
	struct ff_config_note *notes = ff_reports_notes();
	struct ff_buf reference = FF_BUF_INIT;

	add_head(out, "farflung.yaml", "FARFLUNG.YAML", 5, "jobs and hosts of farflung");
	ff_buf_addstr(out,
		      ".Sh DESCRIPTION\nThe file is YAML 1.1 without tags.\n.Nm farflung init\n"
		      "writes a first one,\n.Nm farflung check\nsays what is wrong with it, and\n"
		      ".Nm farflung run\nruns it.\n.Sh KEYS\n");
	ff_config_reference(&reference, notes);
	add_as_is(out, ff_buf_str(&reference));
	ff_buf_addstr(out, ".Sh SEE ALSO\n.Xr farflung 1 ,\n.Xr farflung-xspec 7\n");
	ff_buf_release(&reference);
	ff_free(notes);
}

/* --- farflung-xspec(7) --- */

static const struct {
	const char *key, *help;
} keys[] = {
	{"popen", "A process on this machine."},
	{"ssh", "A host by ssh; the value is what ssh is given: \"-p 2222 user@host\"."},
	{"vagrant_ssh", "A machine of vagrant's, by its name, by vagrant ssh."},
	{"socket", "HOST:PORT where farflung socketserver, or execnet's, waits."},
	{"docker", "A running container, by docker exec."},
	{"podman", "A running container, by podman exec."},
	{"kubectl", "A pod, by kubectl exec."},
	{"namespace", "That of the pod."},
	{"srun", "A place in a Slurm allocation, by srun."},
	{"via", "The id of the host through which this one is reached."},
	{"installvia", "The id of the host on which the socket server is started."},
	{"token_file", "A file with the secret that the socket server has, too."},
	{"plain", "The worker is not ours, and knows execnet's protocol alone."},
	{"ssh_config", "ssh's configuration, as by its -F."},
	{"id", "The gateway's name."},
	{"python", "The interpreter; words as a shell reads them."},
	{"chdir", "The folder to work in; it is made if it is not there."},
	{"nice", "What is added to the niceness: -20 to 19."},
	{"execmodel",
	 "thread, main_thread_only, gevent or eventlet: how Python runs what it is sent."},
	{"dont_write_bytecode", "Python writes no .pyc files."},
	{"worker", "native or python: which worker; by default the native one where it can run."},
	{"slots", "How many things run there at a time: 1 to 100000."},
	{"tags", "Words for patterns that choose hosts, with commas between them."},
};

static const char *help_of(const char *key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].help;
	return NULL;
}

static void add_key(struct ff_buf *out, const char *key)
{
	const char *help = help_of(key);

	ff_buf_addstr(out, ".It ");
	add_word(out, key);
	ff_buf_addch(out, '\n');
	add_text(out, help ? help : "");
	ff_buf_addch(out, '\n');
}

static void add_xspec(struct ff_buf *out)
{
	add_head(out, "farflung-xspec", "FARFLUNG-XSPEC", 7, "how a host is reached, in a line");
	ff_buf_addstr(out,
		      ".Sh DESCRIPTION\nAn xspec is parts with // between them, each KEY=VALUE "
		      "or KEY alone, as execnet has them:\n.Bd -literal -offset indent\n"
		      "ssh=\\-p 2222 build1//python=python3.11//chdir=work//env:A=b\n"
		      "popen//slots=4//tags=linux,big\n.Ed\n.Pp\n"
		      "No key stands there twice. One of popen, ssh, vagrant_ssh, socket, docker, "
		      "podman, kubectl and srun\nsays what the host is; "
		      "4*popen is one host with four slots.\n.Bl -tag -width Ds\n");
#define X(key, member) add_key(out, key);
	FF_XSPEC_KEYS(X)
#undef X
	ff_buf_addstr(out, ".It env:NAME\nThe variable NAME has this value there.\n.El\n"
			   ".Sh SEE ALSO\n.Xr farflung 1 ,\n.Xr farflung.yaml 5\n");
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct ff_buf text = FF_BUF_INIT;
	char *page = NULL;
	int code, rc = ff_command_choice(command, argc, argv, NULL, &page);

	if (rc != 0)
		return rc > 0 ? FF_EXIT_OK : FF_EXIT_USAGE;
	if (strcmp(page, "farflung.1") == 0)
		add_commands(&text);
	else if (strcmp(page, "farflung.yaml.5") == 0)
		add_file(&text);
	else
		add_xspec(&text);
	code = ff_command_print(command, &text);
	ff_buf_release(&text);
	ff_free(page);
	return code;
}

const struct ff_command ff_command_manual = {
	.name = "manual",
	.summary = "Print a manual page, for man -l - or to be installed.",
	.synopsis = "[OPTIONS] farflung.1|farflung.yaml.5|farflung-xspec.7",
	.options = options,
	.choices = "farflung.1, farflung.yaml.5 or farflung-xspec.7",
	.run = run,
};

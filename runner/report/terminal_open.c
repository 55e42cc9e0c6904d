/* The terminal reporter as the program opens it: what the environment and the descriptor say of how
 * it is to look. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report/terminal.h"

enum { COLUMNS_MAX = 10000 };

static bool wants_colour(const char *when, bool tty)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("FORCE_COLOR");

	if (when && strcmp(when, "always") == 0)
		return true;
	if (when && strcmp(when, "never") == 0)
		return false;
	return (force && *force) || (tty && !(no && *no));
}

/* What the environment says, as with all programs that ask Python for it; 0: nothing. */
static unsigned columns_said(void)
{
	const char *text = getenv("COLUMNS");
	char *end;
	unsigned long columns = text ? strtoul(text, &end, 10) : 0;

	return columns > 0 && !*end && columns <= COLUMNS_MAX ? (unsigned)columns : 0;
}

struct ff_report_look ff_report_look(const struct ff_reporter_opts *opts)
{
	const char *term = getenv("TERM");
	struct ff_report_look look = {.fd = opts->stdout_taken ? STDERR_FILENO : STDOUT_FILENO};
	struct winsize size;

	look.tty = isatty(look.fd) && !(term && strcmp(term, "dumb") == 0);
	look.colour = wants_colour(opts->color, look.tty);
	look.columns = columns_said();
	if (look.columns == 0 && look.tty && ioctl(look.fd, TIOCGWINSZ, &size) == 0)
		look.columns = size.ws_col;
	return look;
}

struct ff_reporter *ff_report_terminal(const struct ff_reporter_opts *opts)
{
	const struct ff_report_look look = ff_report_look(opts);
	struct ff_terminal_setup setup = {
		.writer = {.fd = look.fd, .wake = opts->wake, .ctx = opts->ctx},
		.tty = look.tty,
		.colour = look.colour,
		.columns = columns_said(),
		.verbosity = opts->verbosity,
		.runs = opts->runs,
		.few_tests = opts->few_tests,
		.front = opts->front,
		.left_us = opts->left_us,
		.known = opts->known,
		.green = opts->green,
		.ctx = opts->ctx,
	};

	return ff_terminal_new(&setup);
}

void ff_report_terminal_guard(struct ff_reporter *terminal, int service)
{
	struct ff_terminal *t = (struct ff_terminal *)terminal;

	t->screen.guard.service = (enum ff_service)service;
	t->setup.tty = false;
}

void ff_report_terminal_command(struct ff_reporter *terminal, const struct ff_buf *command)
{
	ff_screen_command(&((struct ff_terminal *)terminal)->screen, command);
}

/* What the terminal reporter says of hosts' setups and teardowns. */
#include <string.h>

#include "report/terminal.h"
#include "report/text.h"

void ff_terminal_say_setup(struct ff_terminal *t, const struct ff_event *event)
{
	const char *phase = event->u.host_setup.phase ? event->u.host_setup.phase : "setup";
	const char *output = event->u.host_setup.output, *error = event->u.host_setup.error;
	struct ff_buf *out = &t->screen.text;

	if (!error &&
	    (t->setup.verbosity < 0 || (event->u.host_setup.skipped && t->setup.verbosity < 1)))
		return;
	if (error)
		ff_terminal_paint(t, out, FF_TERMINAL_RED);
	if (event->host) {
		ff_buf_addstr(out, "host ");
		ff_terminal_name(t, out, event->host);
		ff_buf_addstr(out, ": ");
	}
	ff_terminal_name(t, out, phase);
	if (error) {
		ff_buf_addstr(out, " failed: ");
		ff_text_line(out, error, 0, "");
		ff_terminal_unpaint(t, out);
	} else if (event->u.host_setup.skipped) {
		ff_buf_addstr(out, " is up to date");
	} else {
		ff_buf_addstr(out, " done in ");
		ff_text_took(out, event->u.host_setup.took_us);
	}
	ff_buf_addch(out, '\n');
	if (error && output)
		ff_text_lines(out, output, strlen(output), "  ", t->setup.colour);
}

/* What units, and sessions, left on their hosts, and where it is now: one line at the end. */
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

/* ".../JOB/UNIT": where all of it is. */
static char *top_of(const char *folder)
{
	size_t len = strlen(folder);

	for (int up = 0; up < 2; up++) {
		while (len > 1 && folder[len - 1] != '/')
			len--;
		while (len > 1 && folder[len - 1] == '/')
			len--;
	}
	return ff_xstrndup(folder, len);
}

static void hear(struct ff_terminal *t, uint32_t files, uint64_t bytes, const char *folder)
{
	if (files == 0 || !folder)
		return;
	t->artifacts.files += files;
	t->artifacts.bytes += bytes;
	if (!t->artifacts.folder)
		t->artifacts.folder = top_of(folder);
}

void ff_terminal_hear_artifacts(struct ff_terminal *t, const struct ff_event *event)
{
	hear(t, event->u.unit_artifacts.files, event->u.unit_artifacts.bytes,
	     event->u.unit_artifacts.folder);
}

void ff_terminal_hear_job_artifacts(struct ff_terminal *t, const struct ff_event *event)
{
	hear(t, event->u.job_artifacts.files, event->u.job_artifacts.bytes,
	     event->u.job_artifacts.folder);
}

void ff_terminal_say_artifacts(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;

	if (t->artifacts.files == 0 || t->setup.verbosity < 0)
		return;
	ff_buf_addf(out, "artifacts: %llu file%s, ", (unsigned long long)t->artifacts.files,
		    t->artifacts.files == 1 ? "" : "s");
	ff_text_size(out, t->artifacts.bytes);
	ff_buf_addstr(out, " in ");
	ff_text_line(out, t->artifacts.folder, 0, "");
	ff_buf_addch(out, '\n');
}

void ff_terminal_free_artifacts(struct ff_terminal *t)
{
	ff_free(t->artifacts.folder);
}

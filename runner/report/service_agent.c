/* Buildkite's page of a build has what its agent's program is given, as `buildkite-agent annotate`
 * documents: Markdown on stdin, of 1 MiB at most. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "report/program.h"
#include "report/service.h"

enum { AGENT_SECONDS = 15 };

/* Several runs of a step add to one annotation, other steps have their own. What the agent says is
 * of no interest in a log that people read. */
void ff_service_annotate(const struct ff_buf *markdown, bool good, const volatile bool *hurry,
			 struct ff_buf *why)
{
	const char *step = getenv("BUILDKITE_JOB_ID");
	char context[128], style[16];
	char *argv[] = {"buildkite-agent", "annotate", "--context", context,
			"--style",	   style,      "--append",  NULL};
	int text = memfd_create("annotation", MFD_CLOEXEC), errnum = text < 0 ? errno : 0;
	const struct ff_program agent = {argv, text, -1, AGENT_SECONDS, hurry};

	snprintf(context, sizeof(context), "farflung%s%s", step && *step ? "-" : "",
		 step ? step : "");
	snprintf(style, sizeof(style), "%s", good ? "success" : "error");
	if (!errnum)
		errnum = ff_write_all(text, ff_buf_data(markdown), markdown->len);
	if (!errnum && lseek(text, 0, SEEK_SET) < 0)
		errnum = errno;
	if (errnum)
		ff_buf_addf(why, "buildkite-agent: %s", strerror(errnum));
	else if (ff_program_run(&agent, why) == ENOENT)
		ff_buf_clear(why);
	if (text >= 0)
		close(text);
}

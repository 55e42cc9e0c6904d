/* A run's summary in Markdown, for pages that show it (GitHub's step summary, a merge request's
 * comment): totals, hosts and jobs that went wrong, failures by cause, what was not run, flaky
 * units. It grows with the events; what is kept of them is bounded. No I/O. */
#ifndef FF_REPORT_SUMMARY_H
#define FF_REPORT_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "report/alike.h"
#include "report/cases.h"

/* Lines of Markdown, the first some thousands of them. */
struct ff_summary_list {
	struct ff_buf text;
	uint32_t count; /* of all */
};

struct ff_summary {
	struct ff_cases cases;
	struct ff_alike failures;
	char **tails; /* of failures.v, as many: the last lines of the first of each; NULL: none */
	size_t tails_len;
	uint32_t alike; /* of the last failure: how many there are that are alike; 0: no cause */
	struct ff_summary_list alone; /* failures without a cause */
	struct ff_summary_list flaky, faults, not_run;
	struct ff_buf totals; /* plain: "2 failed, 3 passed in 1.2s"; empty before the end */
	bool many_jobs, good;
};

void ff_summary_init(struct ff_summary *summary);
void ff_summary_release(struct ff_summary *summary);
void ff_summary_event(struct ff_summary *summary, const struct ff_event *event);
/* Appends at most `max` bytes, which say what they leave out; nothing if there is hardly room. */
void ff_summary_write(struct ff_buf *out, struct ff_summary *summary, size_t max);

/* `text` with nothing in it that is Markdown or HTML; one line. */
void ff_summary_text(struct ff_buf *out, const char *text);
/* "job: unit", or the unit alone where there is one job. */
char *ff_summary_name(const struct ff_summary *summary, const char *job, const char *unit);

#endif

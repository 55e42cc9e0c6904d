/* The history of one run: what earlier ones saw is read before it, what it sees is put into the
 * store at its end, in one transaction. Whatever goes wrong is said once, and the run goes on. */
#ifndef FF_STORE_HISTORY_H
#define FF_STORE_HISTORY_H

#include "report/reporter.h"
#include "sched/expect.h"

/* Reads `path`; a broken file is set aside. `complain` gets what there is to say, now and later.
 * The reporter is the caller's; never NULL. */
struct ff_reporter *ff_history_new(const char *path, void (*complain)(const char *text));
/* What is known of units: as long as the reporter lives. */
struct ff_expect *ff_history_expect(const struct ff_reporter *history);

/* Suites whose files may be collected one by one (ff_store_sharded); NULL-terminated, or NULL. */
char *const *ff_history_sharded(const struct ff_reporter *history);

/* It is read, and stays as it is: what several machines go by must be the same for all of them. */
void ff_history_leave(struct ff_reporter *history);
/* As ff_reporter_opts has them, of the runs before this one. */
bool ff_history_known(const struct ff_reporter *history, const char *kind, const char *unit,
		      struct ff_report_known *known);
bool ff_history_green(const struct ff_reporter *history, struct ff_report_green *green);

#endif

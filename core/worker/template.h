/* Templates: a program that is started once and forked for each that is to be like it. It is
 * started as any other, and sent a line of the caller's on its stdin, which makes a template of it;
 * here nothing is known of that line but what it says on the descriptor FF_TEMPLATE_FD:
 *
 *   it says    "ready …"  once: it can be forked from now on
 *              "no WHY"   instead, or later: it can't, and ends
 *   it hears   "fork" with three descriptors: stdin, stdout and stderr of a child that is to go on
 *              as if it had just been started with them, as the leader of a process group
 *   it says    "pid N"    in answer, when that child is a child of ours
 *
 * What can't be had from a template is started without: the caller is told so, and by then no child
 * is there. */
#ifndef FF_WORKER_TEMPLATE_H
#define FF_WORKER_TEMPLATE_H

#include "base/list.h"
#include "io/ends.h"
#include "worker/worker.h"

enum { FF_TEMPLATE_FD = 3 };

struct ff_template;

struct ff_template_order {
	struct ff_list node;
	struct ff_ends ends;
	bool sent;
	/* pid > 0: a child of ours, with order->ends, which are the caller's from now on. 0: there
	 * is none; `why`, if it is known, says so in words that are worth telling. Once, never from
	 * inside ff_template_fork. */
	void (*done)(struct ff_template_order *order, pid_t pid, const char *why);
};

/* Asks for a child like the program that `spawn` describes (argv, env and cwd are copied) after it
 * has read `line`, within `limit_us` of the first such call. Templates are told apart by all of
 * these but the limit. The order is the caller's until it is
 * done. Negative: FF_ESPAWN, FF_ESYS, FF_ENOMEM; there is no such template, and none can be
 * started. */
int ff_template_fork(struct ff_worker *worker, const struct ff_spawn *spawn, const char *line,
		     size_t line_len, int64_t limit_us, struct ff_template_order *order,
		     struct ff_err *err);
/* Ends them all; orders that wait are done without. For the worker's end. */
void ff_templates_end(struct ff_worker *worker);
/* Whether this child is one. */
bool ff_templates_own(const struct ff_worker *worker, pid_t pid);

#endif

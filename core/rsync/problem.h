/* What could not be brought over, and why: for whoever decides whether that is an error. */
#ifndef FF_RSYNC_PROBLEM_H
#define FF_RSYNC_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

enum ff_problem_kind {
	FF_PROBLEM_UNREADABLE = 1, /* a file or folder of the source can't be read */
	FF_PROBLEM_VANISHED,	   /* it was scanned, and is gone */
	FF_PROBLEM_CHANGED,	   /* it changes all the time, or has less than its size says */
	FF_PROBLEM_SPECIAL,	   /* neither file nor directory nor link */
	FF_PROBLEM_UNFIT,	   /* a name or a link that is too long */
	FF_PROBLEM_TARGET,	   /* something on the target that could not be done there */
};

struct ff_problem {
	enum ff_problem_kind kind;
	uint32_t index; /* of the tree's entry; 0: it has none */
	/* Of the source: relative to the tree's root, "." itself. Of a target: absolute there. */
	char *path;
	char *reason;
};

struct ff_problems {
	struct ff_problem *v;
	size_t len, cap;
};

/* "unreadable", "vanished", … */
const char *ff_problem_name(enum ff_problem_kind kind);
/* What an errno from a file of the source means. */
enum ff_problem_kind ff_problem_of(int errnum);
/* Appends copies: 0 or FF_ENOMEM. */
int ff_problems_add(struct ff_problems *problems, const struct ff_problem *problem);
void ff_problems_release(struct ff_problems *problems);

#endif

/* A list of what could not be brought over. Knows neither files nor targets. */
#include "rsync/problem.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/err.h"

const char *ff_problem_name(enum ff_problem_kind kind)
{
	switch (kind) {
	case FF_PROBLEM_UNREADABLE:
		return "unreadable";
	case FF_PROBLEM_VANISHED:
		return "vanished";
	case FF_PROBLEM_CHANGED:
		return "changed";
	case FF_PROBLEM_SPECIAL:
		return "special";
	case FF_PROBLEM_UNFIT:
		return "unfit";
	case FF_PROBLEM_TARGET:
		return "target";
	}
	return "unknown";
}

enum ff_problem_kind ff_problem_of(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ESTALE:
		return FF_PROBLEM_VANISHED;
	case ENAMETOOLONG:
		return FF_PROBLEM_UNFIT;
	default:
		return FF_PROBLEM_UNREADABLE;
	}
}

int ff_problems_add(struct ff_problems *problems, const struct ff_problem *problem)
{
	struct ff_problem copy = *problem, *grown;
	size_t cap;

	if (problems->len == problems->cap) {
		cap = problems->cap ? problems->cap * 2 : 8;
		grown = ff_realloc(problems->v, cap * sizeof(*grown));
		if (!grown)
			return FF_ENOMEM;
		problems->v = grown;
		problems->cap = cap;
	}
	copy.path = ff_strdup(problem->path);
	copy.reason = ff_strdup(problem->reason);
	if (!copy.path || !copy.reason) {
		ff_free(copy.path);
		ff_free(copy.reason);
		return FF_ENOMEM;
	}
	problems->v[problems->len++] = copy;
	return 0;
}

void ff_problems_release(struct ff_problems *problems)
{
	for (size_t i = 0; i < problems->len; i++) {
		ff_free(problems->v[i].path);
		ff_free(problems->v[i].reason);
	}
	ff_free(problems->v);
	*problems = (struct ff_problems){0};
}

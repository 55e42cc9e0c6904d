/* What is wrong with a configuration: collected, so that one look at the message is enough, and
 * told in the order of the file. */
#ifndef FF_CONFIG_PROBLEMS_H
#define FF_CONFIG_PROBLEMS_H

#include "config/config.h"

enum {
	FF_PROBLEMS_MAX = 20,	   /* told one by one */
	FF_PROBLEM_TEXT_MAX = 400, /* bytes of one message; longer ones are cut */
};

struct ff_problems {
	const char *file; /* as the user named it */
	size_t total;	  /* found; those beyond FF_PROBLEMS_MAX are only counted */
	struct ff_problem {
		struct ff_place place;
		size_t number; /* keeps the order of those at one place */
		char *text;
	} list[FF_PROBLEMS_MAX];
};

void ff_problems_init(struct ff_problems *problems, const char *file);
void ff_problems_release(struct ff_problems *problems);

/* Notes a problem; control characters in the text are replaced. `place` NULL or line 0: the file as
 * a whole. */
void ff_problems_add(struct ff_problems *problems, const struct ff_place *place, const char *fmt,
		     ...) __attribute__((format(printf, 3, 4)));

/* 0 if there are none, else FF_ECONFIG with a line each in `err`. Releases `problems`. */
int ff_problems_finish(struct ff_problems *problems, struct ff_err *err);

/* The nearest of some words to a misspelt one. Offer each; `best` is NULL if none is near. */
struct ff_suggest {
	const char *word;
	const char *best;
	unsigned distance;
};
void ff_suggest_init(struct ff_suggest *suggest, const char *word);
void ff_suggest_offer(struct ff_suggest *suggest, const char *candidate);
/* "; did you mean 'x'?" or "", in a buffer of the suggestion's caller. */
enum { FF_SUGGEST_TEXT_MAX = 96 };
const char *ff_suggest_text(const struct ff_suggest *suggest, char text[FF_SUGGEST_TEXT_MAX]);

#endif

/* What is wrong with a configuration: collected, so that one look at the message is enough, and
 * told in the order of the file. */
#ifndef FF_CONFIG_MISTAKES_H
#define FF_CONFIG_MISTAKES_H

#include "config/config.h"

enum {
	FF_MISTAKES_MAX = 20,	   /* told one by one */
	FF_MISTAKE_TEXT_MAX = 400, /* bytes of one message; longer ones are cut */
};

struct ff_mistakes {
	const char *file; /* as the user named it */
	size_t total;	  /* found; those beyond FF_MISTAKES_MAX are only counted */
	struct ff_mistake {
		struct ff_place place;
		size_t number; /* keeps the order of those at one place */
		char *text;
	} list[FF_MISTAKES_MAX];
};

void ff_mistakes_init(struct ff_mistakes *problems, const char *file);
void ff_mistakes_release(struct ff_mistakes *problems);

/* Whether further problems are only counted: then their words need not be looked for. */
static inline bool ff_mistakes_full(const struct ff_mistakes *problems)
{
	return problems->total >= FF_MISTAKES_MAX;
}

/* Notes a problem; control characters in the text are replaced. `place` NULL or line 0: the file as
 * a whole. */
void ff_mistakes_add(struct ff_mistakes *problems, const struct ff_place *place, const char *fmt,
		     ...) __attribute__((format(printf, 3, 4)));

/* 0 if there are none, else FF_ECONFIG with a line each in `err`. Releases `problems`. */
int ff_mistakes_finish(struct ff_mistakes *problems, struct ff_err *err);

/* The nearest of some words to a misspelt one. Offer each; `best` is NULL if none is near. */
struct ff_suggest {
	const char *word;
	const char *best;
	unsigned distance, limit;
};
void ff_suggest_init(struct ff_suggest *suggest, const char *word);
void ff_suggest_offer(struct ff_suggest *suggest, const char *candidate);
/* "; did you mean 'x'?" or "", in a buffer of the suggestion's caller. */
enum { FF_SUGGEST_TEXT_MAX = 96 };
const char *ff_suggest_text(const struct ff_suggest *suggest, char text[FF_SUGGEST_TEXT_MAX]);

#endif

/* Services that run builds and read what a program writes for commands of their own: GitHub
 * Actions, GitLab CI, Buildkite, TeamCity. What we tell them (service.c, in the words of
 * service_words.c; GitHub's summary of the step is summary.h's), and how what others wrote is kept
 * from being such a command (service_guard.c). */
#ifndef FF_REPORT_SERVICE_H
#define FF_REPORT_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct ff_result;

/* X(name, word, variable): the variable is set where the service runs the program. */
#define FF_SERVICE_MAP(X)                                                                          \
	X(NONE, "none", NULL)                                                                      \
	X(GITHUB, "github", "GITHUB_ACTIONS")                                                      \
	X(GITLAB, "gitlab", "GITLAB_CI")                                                           \
	X(BUILDKITE, "buildkite", "BUILDKITE")                                                     \
	X(TEAMCITY, "teamcity", "TEAMCITY_VERSION")

enum ff_service {
#define X(name, word, variable) FF_SERVICE_##name,
	FF_SERVICE_MAP(X)
#undef X
		FF_SERVICES
};

/* --- text of others --- */

/* Where in a line it is, from one text to the next. Zeroed with `service` set it is at the
 * beginning of one. */
struct ff_guard {
	enum ff_service service;
	uint8_t inside;	 /* the line has begun with what begins no command */
	uint8_t escape;	 /* within an SGR sequence before that */
	uint8_t colon;	 /* the first of two was seen */
	bool open;	 /* the line has not ended */
	size_t found[2]; /* how much of each word that may stand anywhere */
};

/* Adds `text` with a blank in the middle of whatever the service would take for a command. Any
 * split of a text into parts is as safe as the whole. */
void ff_guard_text(struct ff_guard *guard, struct ff_buf *out, const char *text, size_t len);

/* --- our words --- */

enum { FF_SERVICE_TEXT_MAX = 16 << 10 }; /* bytes of a traceback that a service is told */

struct ff_service_complaint {
	bool error;	  /* else a warning */
	const char *file; /* NULL: unknown */
	int line;	  /* 0: unknown */
	const char *title, *message;
};

struct ff_service_words {
	/* What follows, up to `end`, can be folded. `id` is of letters, digits and '-'. */
	void (*begin)(struct ff_buf *out, int64_t time_us, const char *id, const char *title);
	void (*end)(struct ff_buf *out, int64_t time_us, const char *id);
	/* What is shown beside the line of the file; NULL: the service has no words for it. */
	void (*complain)(struct ff_buf *out, const struct ff_service_complaint *complaint);
	unsigned complaints_max; /* of errors, and of warnings, that it shows of a step; 0: all */
	/* The final result of a unit; NULL: it does not count them. */
	void (*unit)(struct ff_buf *out, const char *name, const struct ff_result *result);
	/* The run's totals, one plain line, for the service's own list of runs; NULL: no words. */
	void (*totals)(struct ff_buf *out, const char *totals);
};

/* NULL for none. */
const struct ff_service_words *ff_service_words(enum ff_service service);

/* Bytes of Markdown: GitHub and Buildkite refuse more than 1 MiB. */
enum { FF_SERVICE_SUMMARY_MAX = (1 << 20) - 1024 };

/* --- places --- */

/* Where we are below the service's checkout: "sub/", or ""; NULL: not there, or there is no
 * service. Malloc'd. */
char *ff_service_below(void);
/* The file of a test as the service knows it, in its checkout, for what `below` gave; NULL if
 * `file` is none. Malloc'd, one line. */
char *ff_service_place(const char *below, const char *file);
/* The line where a traceback ends in the test's own file, else the test's line; 0: unknown. */
int ff_service_line(const struct ff_result *result);

/* --- Buildkite's agent --- */

/* Gives `markdown` to `buildkite-agent annotate`, which must be done within some seconds, or as
 * soon as `*hurry` is set. Appends to `why`, one line, what came in its way; nothing if there is no
 * such program. */
void ff_service_annotate(const struct ff_buf *markdown, bool good, const volatile bool *hurry,
			 struct ff_buf *why);

#endif

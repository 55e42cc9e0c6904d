/* What a run said when it ended, kept to be said again after all reports. */
#ifndef FF_CLI_LAST_WORD_H
#define FF_CLI_LAST_WORD_H

#include "report/reporter.h"

struct ff_last_word {
	struct ff_reporter base;
	char *reason; /* NULL: it did not come to its end */
	enum ff_reason why;
	int front_status; /* of pytest's own session; -1: none, or it did not come to its end */
};

/* One that has heard nothing yet; its reporters' to free. */
struct ff_last_word *ff_last_word_new(void);

#endif

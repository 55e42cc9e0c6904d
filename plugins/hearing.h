/* An execution of the built-in `command`, heard out by a payload that judges it by what it has
 * printed: that is kept, and the end is the payload's to tell. */
#ifndef FF_PLUGINS_HEARING_H
#define FF_PLUGINS_HEARING_H

#include "builtin.h"

enum {
	FF_HEARD_OF_UNIT = 16 << 20,	   /* bytes that are kept of a unit's stdout or stderr */
	FF_HEARD_OF_DISCOVERY = 256 << 20, /* the same of what finds the units */
};

struct ff_hearing;

/* Instead of unit_finished; tells hearing->sink. */
typedef void ff_heard_fn(struct ff_hearing *hearing, const struct ff_result *result);

struct ff_hearing {
	size_t keep; /* bytes of each stream; 0: nothing is kept */
	bool unit;   /* it runs a unit: its output and beginning are passed on */
	ff_heard_fn *ended;

	struct ff_buf kept[2];		    /* stdout, stderr */
	bool cut;			    /* there was more */
	const struct ff_payload_sink *sink; /* of the item under way */
	void *ctx;
};

/* Of a unit if the job names one, else of its discovery; `keep` is what goes with either. */
void ff_hearing_init(struct ff_hearing *hearing, const struct ff_payload_job *job,
		     ff_heard_fn *unit, ff_heard_fn *discovery);
/* As struct ff_payload_reader's, whose reader begins with its struct ff_hearing. */
int ff_hearing_item(void *reader, const struct ff_value *item, const struct ff_payload_sink *sink,
		    void *ctx, struct ff_err *err);
void ff_hearing_release(struct ff_hearing *hearing);
/* What was kept of stdout, with a NUL behind it. */
const char *ff_hearing_text(struct ff_hearing *hearing);

/* Of a discovery that failed: an error that says what it was, how it ended (NULL: in order), and
 * the last lines that it has written. */
void ff_hearing_failed(const struct ff_hearing *hearing, const char *what,
		       const struct ff_result *result);

#endif

/* What the files of this payload share. A test is what `ctest --show-only=json-v1` says of it, as
 * an object of jansson's; a unit's detail is that as text. */
#ifndef FF_PLUGINS_CTEST_PRIVATE_H
#define FF_PLUGINS_CTEST_PRIVATE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/map.h"
#include "payload.h"

/* --- test.c --- */
/* The value of a property; NULL: it has none such. */
json_t *ff_ctest_property(const json_t *test, const char *name);
/* A property that is a list of texts (also where it is just one): how many, and each. */
size_t ff_ctest_texts(const json_t *test, const char *name);
const char *ff_ctest_text(const json_t *test, const char *name, size_t nth);
bool ff_ctest_is(const json_t *test, const char *name);
/* A number, which may be written as text; `fallback`: it is none, or not there. */
double ff_ctest_number(const json_t *test, const char *name, double fallback);

/* --- discover.c --- */
/* Units from what ctest printed. `cwd`: of the job, where that was done. */
void ff_ctest_found(const char *text, size_t len, const char *cwd,
		    const struct ff_payload_sink *sink, void *ctx);

/* --- run.c --- */
/* A unit's task, by its detail. */
int ff_ctest_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		  struct ff_arena *arena, struct ff_task *task, struct ff_err *err);

/* --- judge.c --- */
/* Turns a command's result into the test's: `result` is changed, its message may be in `words`.
 * `output`: all that it has written, stdout and stderr; `cut`: but for its end. */
void ff_ctest_judge(const json_t *test, struct ff_buf *output, bool cut, struct ff_result *result,
		    struct ff_buf *words);
/* Whether it matters what it prints. */
bool ff_ctest_reads_output(const json_t *test);

/* --- regex.c --- */
/* CMake's regular expression as a POSIX extended one, appended to `out`. */
int ff_ctest_regex(const char *cmake, struct ff_buf *out);
/* Whether it is somewhere in the text, which may hold NULs and has one behind it; negative: it is
 * no regular expression. */
int ff_ctest_matches(const char *cmake, const char *text, size_t len);

#endif

/* Tracing for the library: a sink that the program may set. Core never prints. */
#ifndef FF_BASE_LOG_H
#define FF_BASE_LOG_H

#include <stdbool.h>

/* `text` is one line without a newline, valid during the call only. */
typedef void ff_log_fn(void *ctx, const char *text);

/* One sink per process; NULL switches tracing off (the default). */
void ff_log_set(ff_log_fn *sink, void *ctx);
bool ff_log_on(void);
void ff_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

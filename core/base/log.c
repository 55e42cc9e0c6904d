/* Hands trace lines to whoever asked for them. Never prints. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

enum { LOG_LINE_MAX = 2048 };

/* Read by every thread: the sink is there only with its context. */
static _Atomic(ff_log_fn *) log_sink;
static _Atomic(void *) log_ctx;

void ff_log_set(ff_log_fn *sink, void *ctx)
{
	log_ctx = ctx;
	log_sink = sink;
}

bool ff_log_on(void)
{
	return log_sink != NULL;
}

void ff_log(const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	ff_log_fn *sink = log_sink;
	va_list args;

	if (!sink)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	sink(log_ctx, line);
}

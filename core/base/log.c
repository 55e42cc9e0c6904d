/* Hands trace lines to whoever asked for them. Never prints. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum { LOG_LINE_MAX = 2048 };

static ff_log_fn *log_sink;
static void *log_ctx;

void ff_log_set(ff_log_fn *sink, void *ctx)
{
	log_sink = sink;
	log_ctx = ctx;
}

bool ff_log_on(void)
{
	return log_sink != NULL;
}

void ff_log(const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list args;

	if (!log_sink)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	log_sink(log_ctx, line);
}

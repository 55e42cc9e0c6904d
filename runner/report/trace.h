/* Names of what a run's trace has, as W3C Trace Context and OpenTelemetry have them: whoever knows
 * a job's name knows its span, so that units can be told before anything is written. */
#ifndef FF_REPORT_TRACE_H
#define FF_REPORT_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct ff_trace {
	uint8_t id[16];
	uint8_t parent[8]; /* the span that the run is a part of */
	bool has_parent;
};

enum { FF_TRACEPARENT_LEN = 55 }; /* "00-TRACE-SPAN-01" */

/* `traceparent`: of whoever started us, the environment's TRACEPARENT; NULL, or what is none: a
 * trace of its own, made of `seed`, a text that no other run has. */
void ff_trace_init(struct ff_trace *trace, const char *traceparent, const char *seed);
/* The span of a thing: `kind` and `name` tell it from others of its run, with two numbers. */
void ff_trace_span(const struct ff_trace *trace, const char *kind, const char *name, uint64_t index,
		   uint64_t attempt, uint8_t span[8]);
/* What is handed on: `span` is the parent. */
void ff_trace_parent(const struct ff_trace *trace, const uint8_t span[8],
		     char text[FF_TRACEPARENT_LEN + 1]);
/* Lower-case digits, two a byte; `text` has room for 2 * len + 1. */
void ff_trace_hex(const uint8_t *bytes, int len, char *text);

#endif

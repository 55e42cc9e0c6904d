/* Gives each event its number and time, writes it to the journal, then tells the reporters. */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "dispatch/private.h"

void run_emit(struct run *run, struct ff_event *event)
{
	struct ff_err err = {0};

	event->seq = ++run->seq;
	event->time_us = ff_clock_wall_us();
	if (run->opts->journal && !run->journal_failed &&
	    ff_journal_append(run->opts->journal, event, &err) < 0) {
		run->journal_failed = true;
		run_notice(run, NULL, "warning", "the journal is incomplete from here on: %s",
			   err.text);
	}
	for (size_t i = 0; i < run->opts->reporters_len; i++)
		run->opts->reporters[i]->class->event(run->opts->reporters[i], event);
}

void run_notice(struct run *run, const char *host, const char *level, const char *fmt, ...)
{
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .host = host};
	struct ff_buf text = FF_BUF_INIT;
	va_list args;

	va_start(args, fmt);
	ff_buf_vaddf(&text, fmt, args);
	va_end(args);
	event.u.notice.level = level;
	event.u.notice.text = ff_buf_str(&text);
	run_emit(run, &event);
	ff_buf_release(&text);
}

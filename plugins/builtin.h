/* The workers' built-in `command`, for payloads whose units are programs: its task, and what it
 * says of it. Every payload may use this. */
#ifndef FF_PLUGINS_BUILTIN_H
#define FF_PLUGINS_BUILTIN_H

#include "payload.h"

/* What is to be run; all borrowed. */
struct ff_builtin_call {
	char *const *argv;
	const char *shell; /* instead of argv; NULL */
	const char *cwd;
	char *const *env;	/* NAME=value, NULL-terminated; NULL: none */
	const char *stdin_text; /* NULL: /dev/null, or these bytes */
	const void *stdin_bytes;
	size_t stdin_len;
	int64_t timeout_us; /* 0: none */
	int64_t grace_us;   /* between TERM and KILL */
	bool or_shell;	    /* see struct ff_payload_job */
	bool merge;	    /* what it writes on stderr comes as stdout, in order */
};

int ff_builtin_task(const struct ff_builtin_call *call, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err);
/* As struct ff_payload_run's. */
int ff_builtin_kill(struct ff_pack *p);
int ff_builtin_take_back(struct ff_pack *p);

/* Tells unit_started, unit_output, returned and unit_finished of unit 0. The result is a command's:
 * passed with exit status 0, failed with another, crashed by a signal, timeout; what is not passed
 * has a message. */
int ff_builtin_item(const struct ff_value *item, const struct ff_payload_sink *sink, void *ctx,
		    struct ff_err *err);
/* As struct ff_payload's `memory`: what a host has for programs. */
extern const struct ff_payload_probe ff_builtin_memory;

#endif

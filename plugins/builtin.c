/* The workers' built-in `command`: writes its arguments, reads what it tells. A worker may be
 * hostile: every field is checked. */
#include "builtin.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "wire/utf8.h"

enum {
	ARGUMENTS = 12, /* entries of kwargs */
	MESSAGE_MAX = 240,
	NEAR_PERCENT = 75, /* of its memory limit: worth a word */
};

/* core/worker/python/command.py, for workers without built-ins. */
extern const unsigned char ff_source_command_payload[];

/* --- out --- */

static int out_of_memory(struct ff_err *err)
{
	return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
}

/* A list of copies; false: out of memory. */
static bool make_list(struct ff_arena *arena, char *const *texts, struct ff_value *list)
{
	struct ff_value *items;
	size_t len = 0;

	while (texts && texts[len])
		len++;
	items = ff_arena_alloc(arena, (len + 1) * sizeof(*items));
	for (size_t i = 0; items && i < len; i++) {
		char *copy = ff_arena_strdup(arena, texts[i]);

		if (!copy)
			return false;
		items[i] = ff_str(copy);
	}
	*list = ff_collection(FF_LIST, items, len);
	return items != NULL;
}

/* "NAME=value" to a dict. */
static bool make_env(struct ff_arena *arena, char *const *entries, struct ff_value *dict)
{
	struct ff_value *items;
	size_t len = 0;

	while (entries && entries[len])
		len++;
	items = ff_arena_alloc(arena, (2 * len + 1) * sizeof(*items));
	for (size_t i = 0; items && i < len; i++) {
		char *copy = ff_arena_strdup(arena, entries[i]);
		size_t name = strcspn(entries[i], "=");

		if (!copy)
			return false;
		items[2 * i] = ff_strn(copy, name);
		items[2 * i + 1] = ff_str(copy[name] ? copy + name + 1 : copy + name);
	}
	*dict = ff_collection(FF_DICT, items, len);
	return items != NULL;
}

/* None for NULL. */
static bool make_text(struct ff_arena *arena, const char *text, struct ff_value *value)
{
	char *copy = text ? ff_arena_strdup(arena, text) : NULL;

	*value = ff_str(copy);
	/* Names of files may be any bytes. */
	if (copy && !ff_is_utf8(copy, strlen(copy)))
		*value = ff_bytes(copy, strlen(copy));
	return copy || !text;
}

int ff_builtin_task(const struct ff_builtin_call *call, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	struct ff_value *kwargs = ff_arena_alloc(arena, 2 * ARGUMENTS * sizeof(*kwargs));
	struct ff_value *at = kwargs;
	bool ok = kwargs != NULL;

	if (!ok)
		return out_of_memory(err);
	*at++ = ff_str(call->shell ? "shell" : "argv");
	ok = ok && (call->shell ? make_text(arena, call->shell, at++)
				: make_list(arena, call->argv, at++));
	*at++ = ff_str("cwd");
	ok = ok && make_text(arena, call->cwd, at++);
	*at++ = ff_str("env");
	ok = ok && make_env(arena, call->env, at++);
	*at++ = ff_str("stdin");
	if (call->stdin_bytes)
		*at++ = ff_bytes(call->stdin_bytes, call->stdin_len);
	else
		ok = ok && make_text(arena, call->stdin_text, at++);
	*at++ = ff_str("timeout_us");
	*at++ = ff_int(call->timeout_us);
	*at++ = ff_str("grace_us");
	*at++ = ff_int(call->grace_us);
	if (call->or_shell) {
		*at++ = ff_str("or_shell");
		*at++ = ff_bool(true);
	}
	if (call->merge) {
		*at++ = ff_str("merge");
		*at++ = ff_bool(true);
	}
	if (worker->memory > 0) {
		*at++ = ff_str("memory");
		*at++ = ff_int(worker->memory);
	}
	if (worker->cpu > 0) {
		*at++ = ff_str("cpu");
		*at++ = ff_int(worker->cpu);
	}
	if (worker->native && worker->follow) {
		*at++ = ff_str("follow");
		*at++ = ff_int(worker->follow);
	}
	if (!ok)
		return out_of_memory(err);
	*task = (struct ff_task){
		.source = worker->native ? NULL : (const char *)ff_source_command_payload,
		.file_name = worker->native ? NULL : "command.py",
		.call_name = "command",
		.kwargs = ff_collection(FF_DICT, kwargs, (size_t)(at - kwargs) / 2),
	};
	return 0;
}

static int pack_word(struct ff_pack *p, const char *word)
{
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, word);
	ff_pack_close(p);
	return ff_pack_done(p);
}

int ff_builtin_kill(struct ff_pack *p)
{
	return pack_word(p, "kill");
}

int ff_builtin_take_back(struct ff_pack *p)
{
	return pack_word(p, "withdraw");
}

/* --- in --- */

static int bad_item(struct ff_err *err, const char *what)
{
	return ff_err_set(err, FF_EPROTO, "command: %s", what);
}

/* An int from min to max under `key`, or, if `optional`, None or nothing: then -1. False: neither.
 */
static bool get_number(const struct ff_value *dict, const char *key, bool optional, int64_t max,
		       int64_t *number)
{
	const struct ff_value *value = ff_dict_get(dict, key);

	*number = -1;
	if (!value || value->kind == FF_NONE)
		return optional;
	if (value->kind != FF_INT || value->integer < 0 || value->integer > max)
		return false;
	*number = value->integer;
	return true;
}

struct ending {
	int64_t exit, signal; /* one of them -1 */
	int64_t wall_us;
	int64_t memory_limit; /* bytes; -1: none */
	bool out_of_memory;   /* something of it was killed for that */
	bool timed_out, killed;
};

/* "exit status 3", "killed by signal 9 (SIGKILL)" */
static void describe_status(const struct ending *ending, char *text, size_t size)
{
	const char *name = ending->signal > 0 ? sigabbrev_np((int)ending->signal) : NULL;

	if (ending->signal < 0)
		snprintf(text, size, "exit status %d", (int)ending->exit);
	else if (name)
		snprintf(text, size, "killed by signal %d (SIG%s)", (int)ending->signal, name);
	else
		snprintf(text, size, "killed by signal %d", (int)ending->signal);
}

/* "timed out after 10 s (TERM, then KILL)": with the time that it really had. */
static void describe_timeout(const struct ending *ending, char *text, size_t size)
{
	double seconds = (double)ending->wall_us / 1e6;
	char status[64];

	describe_status(ending, status, sizeof(status));
	if (ending->signal == SIGTERM)
		snprintf(status, sizeof(status), "TERM");
	else if (ending->signal == SIGKILL)
		snprintf(status, sizeof(status), "TERM, then KILL");
	snprintf(text, size, "timed out after %.*f s (%s)", seconds < 10 ? 1 : 0, seconds, status);
}

/* What is known of its limit: that it was killed for it; else how near to it one process came. */
static void describe_memory(const struct ending *ending, int64_t max_rss_kib, char *text,
			    size_t size)
{
	size_t len = strlen(text);
	char status[64];

	if (ending->out_of_memory) {
		describe_status(ending, status, sizeof(status));
		snprintf(text, size, "killed at its memory limit of %.1f MiB (%s)",
			 (double)ending->memory_limit / 1048576, status);
	} else if (ending->memory_limit > 0 &&
		   max_rss_kib >= ending->memory_limit / 1024 * NEAR_PERCENT / 100) {
		snprintf(text + len, size - len,
			 " (its largest process had %.1f of the %.1f MiB of its memory limit)",
			 (double)max_rss_kib / 1024, (double)ending->memory_limit / 1048576);
	}
}

static enum ff_outcome judge(const struct ending *ending, char *text, size_t size)
{
	char status[64];

	describe_status(ending, status, sizeof(status));
	if (ending->timed_out) {
		describe_timeout(ending, text, size);
		return FF_OUTCOME_TIMEOUT;
	}
	if (ending->killed) {
		snprintf(text, size, "stopped on request (%s)", status);
		return FF_OUTCOME_FAILED;
	}
	snprintf(text, size, "%s", status);
	if (ending->signal >= 0 || (ending->out_of_memory && ending->exit != 0))
		return FF_OUTCOME_CRASHED;
	return ending->exit ? FF_OUTCOME_FAILED : FF_OUTCOME_PASSED;
}

static int on_exit_item(const struct ff_value *dict, const struct ff_payload_sink *sink, void *ctx,
			struct ff_err *err)
{
	struct ff_result result = {.has_status = true};
	struct ending ending = {
		.timed_out = ff_dict_bool(dict, "timed_out", false),
		.killed = ff_dict_bool(dict, "killed", false),
		.out_of_memory = ff_dict_bool(dict, "out_of_memory", false),
	};
	char text[MESSAGE_MAX];

	if (!dict || dict->kind != FF_DICT)
		return bad_item(err, "exit without a dict");
	if (!get_number(dict, "exit", true, 255, &ending.exit) ||
	    !get_number(dict, "signal", true, 127, &ending.signal) ||
	    (ending.exit < 0) == (ending.signal < 0) || ending.signal == 0)
		return bad_item(err, "exit without a status");
	if (!get_number(dict, "wall_us", false, INT64_MAX, &ending.wall_us) ||
	    !get_number(dict, "user_us", true, INT64_MAX, &result.user_us) ||
	    !get_number(dict, "system_us", true, INT64_MAX, &result.system_us) ||
	    !get_number(dict, "max_rss_kib", true, INT64_MAX, &result.max_rss_kib) ||
	    !get_number(dict, "memory_limit", true, INT64_MAX, &ending.memory_limit))
		return bad_item(err, "exit with a bad number");
	/* Not what "status" says, which is as the other machine encodes it. */
	result.status = ending.signal < 0 ? (int)ending.exit << 8 : (int)ending.signal;
	result.duration_us = ending.wall_us;
	result.user_us = result.user_us < 0 ? 0 : result.user_us;
	result.system_us = result.system_us < 0 ? 0 : result.system_us;
	result.max_rss_kib = result.max_rss_kib < 0 ? 0 : result.max_rss_kib;
	result.leaked = ff_dict_bool(dict, "leaked", false);
	result.outcome = judge(&ending, text, sizeof(text));
	result.out_of_memory = ending.out_of_memory && ending.memory_limit > 0;
	result.limits = ff_dict_str(dict, "limits", NULL);
	if (!ending.timed_out && !ending.killed)
		describe_memory(&ending, result.max_rss_kib, text, sizeof(text));
	result.message = result.outcome == FF_OUTCOME_PASSED ? NULL : text;
	sink->unit_finished(ctx, 0, &result);
	return 0;
}

int ff_builtin_item(const struct ff_value *item, const struct ff_payload_sink *sink, void *ctx,
		    struct ff_err *err)
{
	static const uint32_t only = 0;
	const struct ff_value *word = ff_at(item, 0), *what = ff_at(item, 1);

	if (!word || word->kind != FF_STR || !what || item->len != 2)
		return bad_item(err, "an unknown item");
	if (ff_is_str(word, "start")) {
		if (what->kind != FF_INT)
			return bad_item(err, "start without a process id");
		sink->unit_started(ctx, 0);
		return 0;
	}
	if (ff_is_str(word, "out") || ff_is_str(word, "err")) {
		if (what->kind != FF_BYTES)
			return bad_item(err, "output that is no bytes");
		sink->unit_output(ctx, 0, ff_is_str(word, "out") ? 1 : 2, what->text, what->len);
		return 0;
	}
	if (ff_is_str(word, "returned")) {
		if (sink->returned)
			sink->returned(ctx, &only, 1);
		return 0;
	}
	if (ff_is_str(word, "exit"))
		return on_exit_item(what, sink, ctx, err);
	return bad_item(err, "an unknown item");
}

/* --- what memory there is: as marks.py has it for tests --- */

static int look_for_memory(const struct ff_xspec *spec, struct ff_arena *arena, const char **shell)
{
	*shell = "grep '^MemAvailable:' /proc/meminfo 2>/dev/null; "
		 "cat /sys/fs/cgroup/memory.max 2>/dev/null";
	return 0;
}

/* "MemAvailable:  123 kB", then "max" or bytes; neither where there is no such file. */
static int read_available(const char *text, size_t len, struct ff_arena *arena,
			  struct ff_fact **facts, size_t *facts_len, struct ff_buf *note,
			  struct ff_err *err)
{
	char *lines = ff_arena_copy(arena, text, len), *line, *rest = lines;
	long long least = 0;
	struct ff_fact *fact = ff_arena_alloc(arena, sizeof(*fact));
	char number[24];

	*facts_len = 0;
	if (!lines || !fact)
		return 0;
	while ((line = strsep(&rest, "\n"))) {
		long long kib = 0, bytes = 0;

		if (sscanf(line, "MemAvailable: %lld kB", &kib) == 1 && kib > 0 &&
		    kib < LLONG_MAX >> 10)
			bytes = kib << 10;
		else if (sscanf(line, "%lld", &bytes) != 1)
			continue;
		if (bytes > 0 && (least == 0 || bytes < least))
			least = bytes;
	}
	snprintf(number, sizeof(number), "%lld", least);
	*fact = (struct ff_fact){"memory", ff_arena_strdup(arena, number)};
	*facts = fact;
	*facts_len = least > 0 && fact->value;
	return 0;
}

const struct ff_payload_probe ff_builtin_memory = {
	.command = look_for_memory,
	.read = read_available,
};

/* The fake payloads: lines of text to calls of a sink, and orders to lines of text. */
#include "fake_payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"

enum {
	WORDS_MAX = 1 << 20, /* ids or indexes of one item */
	LINES_MAX = 64,	     /* facts, and header lines */
};

/* --- out --- */

static int make_task(const char *call_name, const struct ff_payload_job *job,
		     const struct ff_payload_worker *worker, struct ff_arena *arena,
		     struct ff_task *task)
{
	struct ff_value *kwargs = ff_arena_alloc(arena, 8 * sizeof(*kwargs));
	struct ff_buf args = FF_BUF_INIT;
	char *text;

	if (job->shell)
		ff_buf_addstr(&args, job->shell);
	for (char *const *arg = job->shell ? NULL : job->args; arg && *arg; arg++)
		ff_buf_addf(&args, "%s%s", args.len ? " " : "", *arg);
	text = ff_arena_copy(arena, ff_buf_data(&args), args.len);
	ff_buf_release(&args);
	if (!kwargs || !text)
		return FF_ENOMEM;
	kwargs[0] = ff_str("job");
	kwargs[1] = ff_str(job->name);
	kwargs[2] = ff_str("args");
	kwargs[3] = ff_str(text);
	kwargs[4] = ff_str("worker");
	kwargs[5] = ff_str(worker->id);
	kwargs[6] = ff_str("host");
	kwargs[7] = ff_str(worker->host);
	*task = (struct ff_task){.call_name = call_name,
				 .kwargs = ff_collection(FF_DICT, kwargs, 4)};
	return 0;
}

static int discover_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
			 struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	(void)err;
	return make_task("discover", job, worker, arena, task);
}

static int run_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		    struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	(void)err;
	return make_task("run", job, worker, arena, task);
}

static int session_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
			struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	if (worker->native)
		return ff_err_set(err, FF_EUNSUPPORTED, "fake-session needs a python worker");
	return make_task("session", job, worker, arena, task);
}

static int pack_text(struct ff_pack *p, const char *text)
{
	ff_pack_str(p, text);
	return ff_pack_done(p);
}

static int pack_indexes(struct ff_pack *p, const char *word, const uint32_t *indexes, size_t count)
{
	struct ff_buf text = FF_BUF_INIT;
	int rc;

	ff_buf_addstr(&text, word);
	for (size_t i = 0; i < count; i++)
		ff_buf_addf(&text, " %" PRIu32, indexes[i]);
	rc = pack_text(p, ff_buf_str(&text));
	ff_buf_release(&text);
	return rc;
}

static int pack_ids(struct ff_pack *p)
{
	return pack_text(p, "ids");
}

static int pack_run(struct ff_pack *p, const uint32_t *indexes, size_t count)
{
	return pack_indexes(p, "run", indexes, count);
}

static int pack_take(struct ff_pack *p, const uint32_t *indexes, size_t count)
{
	return pack_indexes(p, "take", indexes, count);
}

static int pack_end(struct ff_pack *p)
{
	return pack_text(p, "end");
}

static int pack_stop(struct ff_pack *p)
{
	return pack_text(p, "stop");
}

static int pack_idle(struct ff_pack *p)
{
	return pack_text(p, "idle");
}

static int pack_kill(struct ff_pack *p)
{
	return pack_text(p, "kill");
}

bool ff_fake_payload_order(const void *packed, size_t len, char *text, size_t size)
{
	struct ff_item item = FF_ITEM_INIT;
	bool ok = ff_load_item(&item, packed, len, NULL, 0, NULL) == 0 &&
		  item.value.kind == FF_STR && item.value.len < size;

	if (ok)
		memcpy(text, item.value.text, item.value.len + 1);
	ff_item_release(&item);
	return ok;
}

/* --- the probe --- */

static int probe_command(const struct ff_xspec *spec, struct ff_arena *arena, const char **shell)
{
	char *text = ff_asprintf("probe %s", spec->python ? spec->python : "");

	if (spec->python)
		*shell = ff_arena_strdup(arena, text);
	ff_free(text);
	return spec->python ? 0 : 1;
}

static int probe_read(const char *text, size_t len, struct ff_arena *arena, struct ff_fact **facts,
		      size_t *facts_len, struct ff_buf *note, struct ff_err *err)
{
	char *copy = ff_arena_copy(arena, text, len);
	struct ff_fact *fact = ff_arena_alloc(arena, sizeof(*fact));
	char *path, *rest = copy;

	if (!copy || !fact)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	copy[strcspn(copy, "\n")] = '\0';
	if (strcmp(strsep(&rest, " "), "found") != 0 || !rest)
		return ff_err_set(err, FF_ENOTFOUND, "%s", rest ? rest : "the probe said nothing");
	path = strsep(&rest, " ");
	*fact = (struct ff_fact){"python", path};
	*facts = fact;
	*facts_len = 1;
	return rest ? ff_buf_addstr(note, rest) : 0;
}

/* --- in --- */

struct incoming {
	char *rest; /* of the item's text */
	const struct ff_payload_sink *sink;
	void *ctx;
	bool bad; /* something is missing, or no number */
};

/* The next word; "" and `bad` if there is none. */
static const char *word(struct incoming *in)
{
	char *found = in->rest ? strsep(&in->rest, " ") : NULL;

	if (!found || !*found)
		in->bad = true;
	return found ? found : "";
}

static int64_t number(struct incoming *in, int64_t max)
{
	const char *text = word(in);
	char *end;
	long long value = strtoll(text, &end, 10);

	if (!*text || *end || value < 0 || value > max)
		in->bad = true;
	return in->bad ? 0 : value;
}

static uint32_t index_of(struct incoming *in)
{
	return (uint32_t)number(in, UINT32_MAX - 1);
}

/* NULL if there is none. */
static const char *rest(const struct incoming *in)
{
	return in->rest && *in->rest ? in->rest : NULL;
}

static void on_missing(struct incoming *in)
{
	in->sink->missing(in->ctx, rest(in) ? rest(in) : "");
}

static void on_started(struct incoming *in)
{
	const char *words = in->rest ? strsep(&in->rest, "\n") : "";
	struct ff_fact facts[LINES_MAX];
	const char *header[LINES_MAX + 1];
	size_t facts_len = 0, header_len = 0;

	while (in->rest && facts_len < LINES_MAX && header_len < LINES_MAX) {
		char *line = strsep(&in->rest, "\n");

		if (*line == '#') {
			header[header_len++] = line + 1;
			continue;
		}
		facts[facts_len].key = strsep(&line, "=");
		facts[facts_len++].value = line ? line : "";
	}
	header[header_len] = NULL;
	in->sink->started(in->ctx, words, facts, facts_len, header);
}

static void on_only_collects(struct incoming *in)
{
	in->sink->only_collects(in->ctx);
}

static void on_collected(struct incoming *in)
{
	const char *digest = word(in);
	uint32_t count = index_of(in), deselected = rest(in) ? index_of(in) : 0;

	if (!in->bad)
		in->sink->collected(in->ctx, digest, count, deselected, rest(in));
}

static void on_ids(struct incoming *in)
{
	struct ff_value *names = NULL;
	size_t len = 0;

	while (rest(in) && len < WORDS_MAX) {
		if ((len & (len - 1)) == 0)
			names = ff_xrealloc(names, (2 * len + 1) * sizeof(*names));
		names[len++] = ff_str(word(in));
	}
	if (!in->bad) {
		struct ff_value list = ff_collection(FF_LIST, names, len);

		in->sink->ids(in->ctx, &list);
	}
	ff_free(names);
}

static void on_returned(struct incoming *in)
{
	uint32_t *indexes = NULL;
	size_t len = 0;

	while (rest(in) && len < WORDS_MAX) {
		if ((len & (len - 1)) == 0)
			indexes = ff_xrealloc(indexes, (2 * len + 1) * sizeof(*indexes));
		indexes[len++] = index_of(in);
	}
	if (!in->bad)
		in->sink->returned(in->ctx, indexes, len);
	ff_free(indexes);
}

static void on_problem(struct incoming *in)
{
	const char *nodeid = word(in);

	if (!in->bad)
		in->sink->collect_problem(in->ctx, nodeid, rest(in), NULL, false);
}

static void on_skipped(struct incoming *in)
{
	const char *nodeid = word(in);

	if (!in->bad)
		in->sink->collect_problem(in->ctx, nodeid, rest(in), NULL, true);
}

static void on_start(struct incoming *in)
{
	uint32_t index = index_of(in);

	if (!in->bad)
		in->sink->unit_started(in->ctx, index);
}

static void on_wants(struct incoming *in)
{
	in->sink->wants(in->ctx);
}

static void on_out(struct incoming *in)
{
	uint32_t index = index_of(in);
	int64_t stream = number(in, 2);
	const char *text = rest(in) ? rest(in) : "";

	in->bad = in->bad || stream == 0;
	if (!in->bad)
		in->sink->unit_output(in->ctx, index, (int)stream, text, strlen(text));
}

static void on_done(struct incoming *in)
{
	struct ff_result result = {0};
	uint32_t index = index_of(in);
	int outcome = ff_outcome_from_word(word(in));

	if (rest(in))
		result.duration_us = number(in, INT64_MAX);
	result.message = rest(in);
	result.outcome = outcome < 0 ? FF_OUTCOME_PASSED : (enum ff_outcome)outcome;
	in->bad = in->bad || outcome < 0;
	if (!in->bad)
		in->sink->unit_finished(in->ctx, index, &result);
}

static void on_notice(struct incoming *in)
{
	const char *level = word(in);

	if (!in->bad)
		in->sink->notice(in->ctx,
				 &(struct ff_payload_notice){.level = level,
							     .text = rest(in) ? rest(in) : ""});
}

static void on_finished(struct incoming *in)
{
	int status = (int)number(in, INT32_MAX);

	if (!in->bad)
		in->sink->session_finished(in->ctx, status, false, rest(in));
}

static void on_bad(struct incoming *in)
{
	int status = (int)number(in, INT32_MAX);

	in->bad = in->bad || !rest(in);
	if (!in->bad)
		in->sink->session_finished(in->ctx, status, true, rest(in));
}

static void on_error(struct incoming *in)
{
	int why = ff_reason_from_word(word(in));

	in->bad = in->bad || (why != FF_REASON_USAGE && why != FF_REASON_PAYLOAD);
	if (!in->bad)
		in->sink->session_error(in->ctx, (enum ff_reason)why, rest(in) ? rest(in) : "");
}

/* The words that are left, as a list that `give` gets. */
static void with_words(struct incoming *in,
		       void (*give)(const struct incoming *in, const struct ff_value *list))
{
	struct ff_value names[LINES_MAX];
	size_t len = 0;

	while (rest(in) && len < LINES_MAX)
		names[len++] = ff_str(word(in));
	if (!in->bad) {
		struct ff_value list = ff_collection(FF_LIST, names, len);

		give(in, &list);
	}
}

static void give_needs(const struct incoming *in, const struct ff_value *list)
{
	in->sink->needs_front(in->ctx, list, NULL);
}

static void give_without(const struct incoming *in, const struct ff_value *list)
{
	in->sink->without(in->ctx, list);
}

static void on_needs(struct incoming *in)
{
	with_words(in, give_needs);
}

static void on_without(struct incoming *in)
{
	with_words(in, give_without);
}

static void on_to_front(struct incoming *in)
{
	struct ff_value value = ff_str(rest(in) ? rest(in) : "");

	in->sink->to_front(in->ctx, &value);
}

static int on_item(const struct ff_value *item, const struct ff_payload_sink *sink, void *ctx,
		   struct ff_err *err)
{
	static const struct {
		const char *word;
		void (*read)(struct incoming *in);
	} readers[] = {
		{"missing", on_missing},
		{"started", on_started},
		{"only-collects", on_only_collects},
		{"collected", on_collected},
		{"ids", on_ids},
		{"problem", on_problem},
		{"skipped", on_skipped},
		{"start", on_start},
		{"wants", on_wants},
		{"returned", on_returned},
		{"out", on_out},
		{"done", on_done},
		{"notice", on_notice},
		{"finished", on_finished},
		{"bad", on_bad},
		{"error", on_error},
		{"needs", on_needs},
		{"without", on_without},
		{"to-front", on_to_front},
	};
	char *text = item->kind == FF_STR ? ff_xstrndup(item->text, item->len) : ff_xstrdup("");
	struct incoming in = {.rest = text, .sink = sink, .ctx = ctx};
	const char *first = word(&in);
	bool known = false;

	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
		if (strcmp(readers[i].word, first) == 0) {
			known = true;
			readers[i].read(&in);
		}
	}
	ff_free(text);
	return known && !in.bad ? 0 : ff_err_set(err, FF_EPROTO, "fake: an unknown item");
}

/* --- the front --- */

static int front_task(const struct ff_payload_job *job, const struct ff_front_run *run,
		      struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	const struct ff_payload_worker here = {.id = "front", .count = run->workers_len};

	(void)err;
	return make_task("front", job, &here, arena, task);
}

static void add_value(struct ff_buf *text, const void *value, size_t len)
{
	char order[256];

	if (value && ff_fake_payload_order(value, len, order, sizeof(order)))
		ff_buf_addf(text, " %s", order);
}

static int front_tell(struct ff_pack *p, const struct ff_front_item *item)
{
	static const char *const words[] = {
		[FF_FRONT_WORKER] = "worker", [FF_FRONT_FROM] = "from", [FF_FRONT_UNIT] = "unit",
		[FF_FRONT_CRASH] = "crash",   [FF_FRONT_LOST] = "lost", [FF_FRONT_DOWN] = "down",
		[FF_FRONT_LINE] = "line",     [FF_FRONT_STOP] = "stop", [FF_FRONT_END] = "end",
	};
	bool about_unit = item->kind == FF_FRONT_UNIT || item->kind == FF_FRONT_CRASH ||
			  item->kind == FF_FRONT_LOST;
	struct ff_buf text = FF_BUF_INIT;
	int rc;

	ff_buf_addstr(&text, words[item->kind]);
	if (item->worker && item->kind != FF_FRONT_LOST)
		ff_buf_addf(&text, " %s", item->worker);
	if (about_unit && item->unit != UINT32_MAX)
		ff_buf_addf(&text, " %" PRIu32, item->unit);
	if (item->node)
		ff_buf_addf(&text, " %s", item->node->host);
	if (item->name)
		ff_buf_addf(&text, " %s", item->name);
	if (item->text && item->kind != FF_FRONT_END)
		ff_buf_addf(&text, " %s", item->text);
	add_value(&text, item->value, item->value_len);
	if (item->again)
		ff_buf_addstr(&text, item->kind == FF_FRONT_END ? " interrupted" : " again");
	rc = pack_text(p, ff_buf_str(&text));
	ff_buf_release(&text);
	return rc;
}

static int front_pass_on(struct ff_pack *p, const void *value, size_t len)
{
	struct ff_buf text = FF_BUF_INIT;
	int rc;

	ff_buf_addstr(&text, "front");
	add_value(&text, value, len);
	rc = pack_text(p, ff_buf_str(&text));
	ff_buf_release(&text);
	return rc;
}

/* One word of it: false, it is none, or something is missing. */
static bool front_word(struct incoming *in, const char *first, const struct ff_front_sink *sink,
		       void *ctx)
{
	static const char *const none[] = {NULL};
	const char *one = word(in), *text = rest(in) ? rest(in) : "";
	struct ff_value value = ff_str(text);

	if (in->bad)
		return false;
	if (strcmp(first, "ready") == 0)
		sink->ready(ctx, one, none);
	else if (strcmp(first, "to") == 0)
		sink->to_worker(ctx, one, &value);
	else if (strcmp(first, "again") == 0)
		sink->again(ctx, one);
	else if (strcmp(first, "settled") == 0)
		sink->settled(ctx, one);
	else if (strcmp(first, "notice") == 0)
		sink->notice(ctx, one, text);
	else if (strcmp(first, "error") == 0 && ff_reason_from_word(one) >= 0)
		sink->error(ctx, (enum ff_reason)ff_reason_from_word(one), text);
	else if (strcmp(first, "finished") == 0)
		sink->finished(ctx, atoi(one), false, *text ? text : NULL);
	else if (strcmp(first, "bad") == 0 && *text)
		sink->finished(ctx, atoi(one), true, text);
	else
		return false;
	return true;
}

static int front_item(const struct ff_value *item, const struct ff_front_sink *sink, void *ctx,
		      struct ff_err *err)
{
	char *text = item->kind == FF_STR ? ff_xstrndup(item->text, item->len) : ff_xstrdup("");
	struct incoming in = {.rest = text};
	const char *first = word(&in);
	bool good = true;

	if (strcmp(first, "stop") == 0)
		sink->stop(ctx, rest(&in) ? rest(&in) : "");
	else if (strcmp(first, "text") == 0)
		sink->text(ctx, rest(&in) ? rest(&in) : "", rest(&in) ? strlen(rest(&in)) : 0);
	else
		good = front_word(&in, first, sink, ctx);
	ff_free(text);
	return good ? 0 : ff_err_set(err, FF_EPROTO, "fake: no item of a front");
}

static int exit_status(const struct ff_job_end *end)
{
	return end->front_status >= 0 ? 40 + end->front_status : end->run_status ? 31 : 30;
}

static const struct ff_payload_front front = {
	.task = front_task,
	.tell = front_tell,
	.pass_on = front_pass_on,
	.item = front_item,
};
static const struct ff_payload_probe probe = {.command = probe_command, .read = probe_read};
static const struct ff_payload_discover discover = {.task = discover_task};
static const struct ff_payload_run run = {.task = run_task, .kill = pack_kill};
static const struct ff_payload_session session = {
	.task = session_task,
	.ask_ids = pack_ids,
	.run = pack_run,
	.take_back = pack_take,
	.end = pack_end,
	.stop = pack_stop,
	.idle = pack_idle,
};

const struct ff_payload ff_fake_payload_run = {
	.name = "fake-run",
	.discover = &discover,
	.run = &run,
	.item = on_item,
};

const struct ff_payload ff_fake_payload_session = {
	.name = "fake-session",
	.probe = &probe,
	.session = &session,
	.front = &front,
	.exit_status = exit_status,
	.item = on_item,
};

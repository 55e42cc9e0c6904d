/* The front of a pytest job: the conversation with front.py, whose head describes it. */
#include "pytest/front.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "pytest/result.h"

enum {
	ARGUMENTS = 14,	    /* entries of kwargs */
	SPEC_ENTRIES = 3,   /* of each worker's dict */
	HEADER_MAX = 200,   /* lines */
	STATUS_MAX = 255,   /* of a process */
	NODE_ARGUMENTS = 6, /* entries of what a node is told with, at most */
};

extern const unsigned char ff_source_pytest_front[];

/* pytest's exit statuses. */
enum {
	ALL_PASSED = 0,
	TESTS_FAILED = 1,
	INTERRUPTED = 2,
	INTERNAL_ERROR = 3,
	USAGE_ERROR = 4,
	NO_TESTS_COLLECTED = 5,
};

/* --- the task --- */

static struct ff_value text_or_none(const char *text)
{
	return text ? ff_str(text) : ff_none();
}

bool ff_pytest_words(struct ff_arena *arena, const char *first, char *const *texts,
		     struct ff_value *list)
{
	size_t len = 0, at = 0;
	struct ff_value *items;

	while (texts && texts[len])
		len++;
	items = ff_arena_alloc(arena, (len + 1) * sizeof(*items));
	if (!items)
		return false;
	if (first)
		items[at++] = ff_str(first);
	for (size_t i = 0; i < len; i++)
		items[at++] = ff_str(texts[i]);
	*list = ff_collection(FF_LIST, items, at);
	return true;
}

static bool make_specs(struct ff_arena *arena, const struct ff_front_run *run,
		       struct ff_value *list)
{
	struct ff_value *items =
		ff_arena_alloc(arena, ((size_t)run->workers_len + 1) * sizeof(*items));

	for (uint32_t i = 0; items && i < run->workers_len; i++) {
		const struct ff_front_worker *worker = &run->workers[i];
		struct ff_value *entries =
			ff_arena_alloc(arena, sizeof(*entries) * 2 * SPEC_ENTRIES);

		if (!entries)
			return false;
		entries[0] = ff_str("id");
		entries[1] = ff_str(worker->id);
		entries[2] = ff_str("spec");
		entries[3] = ff_str(worker->spec);
		entries[4] = ff_str("host");
		entries[5] = ff_str(worker->host);
		items[i] = ff_collection(FF_DICT, entries, SPEC_ENTRIES);
	}
	*list = ff_collection(FF_LIST, items, run->workers_len);
	return items != NULL;
}

/* As `-n` gives it, also of workers elsewhere: by this plugins see that tests are spread. */
static struct ff_value processes(const struct ff_front_run *run)
{
	return run->workers_len > 0 ? ff_int(run->workers_len) : ff_none();
}

static int make_task(const struct ff_payload_job *job, const struct ff_front_run *run,
		     struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	struct ff_value *kwargs = ff_arena_alloc(arena, 2 * ARGUMENTS * sizeof(*kwargs));
	struct ff_value args, mainargv, specs;

	if (!kwargs || !ff_pytest_words(arena, NULL, job->args, &args) ||
	    !ff_pytest_words(arena, "pytest", job->args, &mainargv) ||
	    !make_specs(arena, run, &specs))
		return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	const struct ff_value values[2 * ARGUMENTS] = {
		ff_str("args"),
		args,
		ff_str("mainargv"),
		mainargv,
		ff_str("dist"),
		text_or_none(job->dist),
		ff_str("specs"),
		specs,
		ff_str("numprocesses"),
		processes(run),
		ff_str("maxprocesses"),
		ff_none(),
		ff_str("testrunuid"),
		text_or_none(job->testrunuid ? job->testrunuid : run->run_id),
		ff_str("maxfail"),
		run->maxfail > 0 ? ff_int(run->maxfail) : ff_none(),
		ff_str("max_worker_restart"),
		run->max_worker_restart >= 0 ? ff_int(run->max_worker_restart) : ff_none(),
		ff_str("terminal"),
		run->terminal >= 0 ? ff_int(run->terminal) : ff_none(),
		ff_str("columns"),
		run->columns > 0 ? ff_int(run->columns) : ff_none(),
		ff_str("color"),
		run->colour >= 0 ? ff_bool(run->colour) : ff_none(),
		ff_str("addopts"),
		ff_bool(!job->addopts_read),
		ff_str("joined"),
		ff_bool(run->joined),
	};

	memcpy(kwargs, values, sizeof(values));
	*task = (struct ff_task){
		.source = (const char *)ff_source_pytest_front,
		.file_name = "<front.py>", /* by that name no file of the folder that it runs in */
		.call_name = "main",
		.kwargs = ff_collection(FF_DICT, kwargs, ARGUMENTS),
	};
	return 0;
}

/* --- out --- */

static void pack_unit(struct ff_pack *p, uint32_t index)
{
	if (index == UINT32_MAX)
		ff_pack_none(p);
	else
		ff_pack_int(p, index);
}

static void pack_value(struct ff_pack *p, const struct ff_front_item *item)
{
	if (item->value)
		ff_pack_item(p, item->value, item->value_len);
	else
		ff_pack_none(p);
}

static void pack_units(struct ff_pack *p, const struct ff_front_item *item)
{
	ff_pack_open(p, FF_LIST);
	for (size_t i = 0; i < item->units_len; i++)
		ff_pack_int(p, item->units[i]);
	ff_pack_close(p);
}

static void pack_entry(struct ff_pack *p, const char *key, const char *text)
{
	ff_pack_str(p, key);
	ff_pack_str(p, text);
}

static void pack_node(struct ff_pack *p, const struct ff_front_item *item)
{
	const struct ff_front_worker *node = item->node;

	ff_pack_open(p, FF_DICT);
	pack_entry(p, "spec", node->spec);
	pack_entry(p, "host", node->host);
	pack_entry(p, "python", node->python);
	pack_entry(p, "chdir", node->chdir);
	ff_pack_str(p, "local");
	ff_pack_bool(p, node->local);
	ff_pack_str(p, "about");
	pack_value(p, item);
	ff_pack_close(p);
}

static void pack_fields(struct ff_pack *p, const struct ff_front_item *item)
{
	switch (item->kind) {
	case FF_FRONT_WORKER:
		ff_pack_str(p, item->worker);
		pack_node(p, item);
		break;
	case FF_FRONT_FROM:
		ff_pack_str(p, item->worker);
		pack_value(p, item);
		break;
	case FF_FRONT_UNIT:
		ff_pack_str(p, item->worker);
		pack_unit(p, item->index);
		pack_value(p, item);
		ff_pack_bool(p, item->again);
		break;
	case FF_FRONT_CRASH:
		ff_pack_str(p, item->worker);
		pack_unit(p, item->index);
		ff_pack_str(p, item->name);
		ff_pack_str(p, item->text ? item->text : "");
		ff_pack_bool(p, item->again);
		break;
	case FF_FRONT_LOST:
		pack_unit(p, item->index);
		ff_pack_str(p, item->name);
		ff_pack_str(p, item->text ? item->text : "");
		break;
	case FF_FRONT_DOWN:
		ff_pack_str(p, item->worker);
		ff_pack_str(p, item->text);
		break;
	case FF_FRONT_UP:
		ff_pack_str(p, item->worker);
		break;
	case FF_FRONT_BACK:
		ff_pack_str(p, item->worker);
		pack_units(p, item);
		break;
	case FF_FRONT_SKIP:
		ff_pack_str(p, item->worker);
		pack_unit(p, item->index);
		break;
	case FF_FRONT_STUCK:
		ff_pack_int(p, item->number);
		break;
	case FF_FRONT_MORE:
		ff_pack_int(p, item->number);
		ff_pack_int(p, item->left);
		break;
	case FF_FRONT_LINE:
	case FF_FRONT_STOP:
		ff_pack_str(p, item->text ? item->text : "");
		break;
	case FF_FRONT_END:
		ff_pack_bool(p, item->again);
		ff_pack_str(p, item->text ? item->text : "");
		break;
	}
}

static int tell(struct ff_pack *p, const struct ff_front_item *item)
{
	static const char *const words[] = {
		[FF_FRONT_WORKER] = "node", [FF_FRONT_FROM] = "from", [FF_FRONT_UNIT] = "test",
		[FF_FRONT_CRASH] = "crash", [FF_FRONT_LOST] = "lost", [FF_FRONT_DOWN] = "down",
		[FF_FRONT_LINE] = "line",   [FF_FRONT_STOP] = "stop", [FF_FRONT_END] = "end",
		[FF_FRONT_UP] = "up",	    [FF_FRONT_BACK] = "back", [FF_FRONT_SKIP] = "skip",
		[FF_FRONT_STUCK] = "stuck", [FF_FRONT_MORE] = "more",
	};

	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, words[item->kind]);
	pack_fields(p, item);
	ff_pack_close(p);
	return ff_pack_done(p);
}

static int pass_on(struct ff_pack *p, const void *value, size_t len)
{
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, "front");
	ff_pack_item(p, value, len);
	ff_pack_close(p);
	return ff_pack_done(p);
}

/* --- in --- */

struct incoming {
	const struct ff_value *item;
	const struct ff_front_sink *sink;
	void *ctx;
	struct ff_err *err;
};

static int bad_item(const struct incoming *in, const char *what)
{
	return ff_err_set(in->err, FF_EPROTO, "pytest's front: %s", what);
}

/* The text behind the word; NULL: it is none. */
static const char *text_of(const struct incoming *in)
{
	const struct ff_value *text = ff_at(in->item, 1);

	return text && text->kind == FF_STR ? text->text : NULL;
}

static int on_ready(const struct incoming *in)
{
	const struct ff_value *dict = ff_at(in->item, 1);
	const struct ff_value *header;
	const char *lines[HEADER_MAX + 1];
	size_t len = 0;

	if (!dict || dict->kind != FF_DICT)
		return bad_item(in, "ready without a dict");
	header = ff_dict_get(dict, "header");
	for (size_t i = 0; header && header->kind == FF_LIST && i < header->len; i++)
		if (header->items[i].kind == FF_STR && len < HEADER_MAX)
			lines[len++] = header->items[i].text;
	lines[len] = NULL;
	in->sink->ready(in->ctx, ff_dict_str(dict, "rootdir", NULL), lines);
	return 0;
}

static int on_to(const struct incoming *in)
{
	const struct ff_value *value = ff_at(in->item, 2);

	if (!text_of(in) || !value)
		return bad_item(in, "a word to no worker");
	in->sink->to_worker(in->ctx, text_of(in), value);
	return 0;
}

static int on_again(const struct incoming *in)
{
	if (!text_of(in))
		return bad_item(in, "again without a node id");
	in->sink->again(in->ctx, text_of(in));
	return 0;
}

static int on_settled(const struct incoming *in)
{
	if (!text_of(in))
		return bad_item(in, "settled without a node id");
	in->sink->settled(in->ctx, text_of(in));
	return 0;
}

static int on_stop(const struct incoming *in)
{
	if (!text_of(in))
		return bad_item(in, "stop without a text");
	in->sink->stop(in->ctx, text_of(in));
	return 0;
}

/* Items of one who drives its job. */
static int on_hands(const struct incoming *in,
		    void (*tell_them)(void *ctx, const char *worker, const uint32_t *indexes,
				      size_t count))
{
	const struct ff_value *list = ff_at(in->item, 2);
	uint32_t *indexes = ff_pytest_indexes(list);

	if (!indexes || !text_of(in)) {
		ff_free(indexes);
		return bad_item(in, "units without a worker, or that are no indexes");
	}
	tell_them(in->ctx, text_of(in), indexes, list->len);
	ff_free(indexes);
	return 0;
}

static int on_give(const struct incoming *in)
{
	return on_hands(in, in->sink->gives);
}

static int on_steal(const struct incoming *in)
{
	return on_hands(in, in->sink->steals);
}

static int on_shut(const struct incoming *in)
{
	if (!text_of(in))
		return bad_item(in, "shut without a worker");
	in->sink->dismisses(in->ctx, text_of(in));
	return 0;
}

static int on_give_up(const struct incoming *in)
{
	const struct ff_value *text = ff_at(in->item, 2);
	uint32_t index;

	if (!ff_pytest_index(ff_at(in->item, 1), &index) || !text || text->kind != FF_STR)
		return bad_item(in, "give_up without an index and a text");
	in->sink->gives_up(in->ctx, index, text->text);
	return 0;
}

static int on_heard(const struct incoming *in)
{
	uint32_t count;

	if (!ff_pytest_index(ff_at(in->item, 1), &count))
		return bad_item(in, "heard without a number");
	in->sink->heard(in->ctx, count);
	return 0;
}

static int on_text(const struct incoming *in)
{
	if (!text_of(in))
		return bad_item(in, "a text that is none");
	in->sink->text(in->ctx, text_of(in), ff_at(in->item, 1)->len);
	return 0;
}

static int on_error(const struct incoming *in)
{
	bool usage = ff_is_str(ff_at(in->item, 0), "usage_error");

	if (!text_of(in))
		return bad_item(in, "an error without a text");
	in->sink->error(in->ctx, usage ? FF_REASON_USAGE : FF_REASON_PAYLOAD, text_of(in));
	return 0;
}

/* The traceback of a hook that failed at the end. */
static int on_trouble(const struct incoming *in)
{
	if (!text_of(in))
		return bad_item(in, "trouble without a text");
	in->sink->notice(in->ctx, "error", text_of(in));
	return 0;
}

static int on_finished(const struct incoming *in)
{
	const struct ff_value *dict = ff_at(in->item, 1);
	const struct ff_value *status =
		dict && dict->kind == FF_DICT ? ff_dict_get(dict, "exitstatus") : NULL;
	const char *words = ff_dict_str(dict, "words", "");

	if (!status || status->kind != FF_INT || status->integer < 0 ||
	    status->integer > STATUS_MAX)
		return bad_item(in, "finished without an exit status");
	in->sink->finished(in->ctx, (int)status->integer, ff_dict_bool(dict, "bad", false),
			   *words ? words : NULL);
	return 0;
}

static int on_item(const struct ff_value *item, const struct ff_front_sink *sink, void *ctx,
		   struct ff_err *err)
{
	static const struct {
		const char *word;
		int (*read)(const struct incoming *in);
	} readers[] = {
		{"ready", on_ready},	   {"to", on_to},
		{"again", on_again},	   {"settled", on_settled},
		{"stop", on_stop},	   {"text", on_text},
		{"usage_error", on_error}, {"internal_error", on_error},
		{"trouble", on_trouble},   {"finished", on_finished},
		{"give", on_give},	   {"steal", on_steal},
		{"shut", on_shut},	   {"give_up", on_give_up},
		{"heard", on_heard},
	};
	const struct incoming in = {.item = item, .sink = sink, .ctx = ctx, .err = err};
	const struct ff_value *word = ff_at(item, 0);

	for (size_t i = 0; word && i < sizeof(readers) / sizeof(*readers); i++)
		if (ff_is_str(word, readers[i].word))
			return readers[i].read(&in);
	return bad_item(&in, "an unknown item");
}

const struct ff_payload_front ff_pytest_front = {
	.task = make_task,
	.tell = tell,
	.pass_on = pass_on,
	.item = on_item,
};

/* --- the end of it all --- */

/* The front's status only says that the session was stopped, or had nothing: by what we know. */
static bool knows_less(const struct ff_job_end *end)
{
	if (end->why == FF_REASON_PAYLOAD)
		return end->front_status < INTERNAL_ERROR ||
		       end->front_status == NO_TESTS_COLLECTED;
	if (end->front_status == NO_TESTS_COLLECTED)
		return end->why == FF_REASON_SESSION;
	return end->front_status == INTERRUPTED && end->why == FF_REASON_SESSION &&
	       end->session_status > 0;
}

int ff_pytest_exit_status(const struct ff_job_end *end)
{
	switch (end->why) {
	case FF_REASON_USAGE:
		return USAGE_ERROR;
	case FF_REASON_NO_HOST:
	case FF_REASON_NO_WORKER:
	case FF_REASON_RESTARTS:
	case FF_REASON_REQUIRED_HOSTS:
	case FF_REASON_DISK:
	case FF_REASON_FRONT:
		return INTERNAL_ERROR;
	default:
		break;
	}
	if (end->interrupted)
		return INTERRUPTED;
	/* The front ran pytest's own end of a session, unless that of a worker's had stopped it. */
	if (end->front_status > 0 && !knows_less(end))
		return end->front_status;
	if (end->why == FF_REASON_PAYLOAD)
		return INTERNAL_ERROR;
	/* A front that ends well there has a hook that wants it so. */
	if (end->why == FF_REASON_NOTHING)
		return end->front_status == 0 ? ALL_PASSED : NO_TESTS_COLLECTED;
	if (end->session_status > 0)
		return end->session_status;
	if (end->not_collected)
		return INTERRUPTED;
	return end->bad || end->run_status ? TESTS_FAILED : ALL_PASSED;
}

/* The payload `pytest`: the conversation with payload.py, whose head describes it. A worker may be
 * hostile: every field is checked. */
#include "pytest/pytest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "pytest/cache.h"
#include "pytest/front.h"
#include "pytest/probe.h"
#include "pytest/incoming.h"
#include "pytest/result.h"
#include "pytest/template.h"

enum {
	ARGUMENTS = 18, /* entries of kwargs */
};

extern const unsigned char ff_source_pytest_payload[];

/* --- out --- */

static int out_of_memory(struct ff_err *err)
{
	return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
}

/* None for NULL; false: out of memory. */
static bool make_text(struct ff_arena *arena, const char *text, struct ff_value *value)
{
	char *copy = text ? ff_arena_strdup(arena, text) : NULL;

	*value = ff_str(copy);
	return copy || !text;
}

/* None where all is run. `known` is not copied: it lives as long as the job. */
static bool make_slice(struct ff_arena *arena, const struct ff_payload_job *job,
		       struct ff_value *value)
{
	struct ff_value *slice;

	*value = ff_none();
	if (job->shards == 0)
		return true;
	slice = ff_arena_alloc(arena, 3 * sizeof(*slice));
	if (!slice)
		return false;
	slice[0] = ff_int(job->shard);
	slice[1] = ff_int(job->shards);
	slice[2] = ff_bytes(job->known ? job->known : "", job->known_len);
	*value = ff_collection(FF_TUPLE, slice, 3);
	return true;
}

/* None where nothing is repeated. */
static bool make_sequence(struct ff_arena *arena, const struct ff_payload_job *job,
			  struct ff_value *value)
{
	struct ff_value *sequence;

	*value = ff_none();
	if (!job->sequence)
		return true;
	sequence = ff_arena_alloc(arena, 2 * sizeof(*sequence));
	if (!sequence || !ff_pytest_words(arena, NULL, job->sequence, &sequence[0]))
		return false;
	sequence[1] = ff_bool(job->sequence_apart);
	*value = ff_collection(FF_TUPLE, sequence, 2);
	return true;
}

/* Where tests differ much, and that is known, what collecting less brings is less than what
 * beginning with the longest does. And those that wait for memory are chosen from all. */
static const char *collect_of(const struct ff_payload_worker *worker,
			      const struct ff_payload_job *job)
{
	return (worker->uneven || worker->hungry) && job->collect &&
			       strcmp(job->collect, "auto") == 0
		       ? "every"
		       : job->collect;
}

static int make_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		     struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	struct ff_value *kwargs = ff_arena_alloc(arena, 2 * ARGUMENTS * sizeof(*kwargs));
	struct ff_value *at = kwargs;
	bool ok = kwargs != NULL, again = job->sequence && job->sequence_worker;

	if (worker->native)
		return ff_err_set(err, FF_EUNSUPPORTED, "pytest needs a python worker");
	if (!ok)
		return out_of_memory(err);
	*at++ = ff_str("args");
	ok = ok && ff_pytest_words(arena, NULL, job->args, at++);
	*at++ = ff_str("workerid");
	ok = ok && make_text(arena, again ? job->sequence_worker : worker->id, at++);
	*at++ = ff_str("workercount");
	*at++ = ff_int(again ? job->sequence_workers : worker->count);
	*at++ = ff_str("testrunuid");
	ok = ok && make_text(arena, job->testrunuid ? job->testrunuid : worker->run_id, at++);
	*at++ = ff_str("mainargv");
	ok = ok && ff_pytest_words(arena, "pytest", job->args, at++);
	*at++ = ff_str("dist");
	ok = ok && make_text(arena, job->dist, at++);
	*at++ = ff_str("front");
	ok = ok && make_text(arena, job->front, at++);
	*at++ = ff_str("output_cap");
	*at++ = ff_int(job->output_cap);
	*at++ = ff_str("columns");
	*at++ = ff_int(job->columns);
	*at++ = ff_str("addopts");
	*at++ = ff_bool(!job->addopts_read);
	*at++ = ff_str("collect");
	ok = ok && make_text(arena, collect_of(worker, job), at++);
	*at++ = ff_str("run");
	ok = ok && make_text(arena, worker->run_id, at++);
	*at++ = ff_str("imports");
	*at++ = ff_bool(worker->imports);
	*at++ = ff_str("sharded");
	ok = ok && ff_pytest_words(arena, NULL, worker->sharded, at++);
	*at++ = ff_str("slice");
	ok = ok && make_slice(arena, job, at++);
	*at++ = ff_str("repeat");
	*at++ = ff_int(job->repeat);
	*at++ = ff_str("sequence");
	ok = ok && make_sequence(arena, job, at++);
	*at++ = ff_str("memory");
	*at++ = ff_bool(job->memory);
	if (!ok)
		return out_of_memory(err);
	*task = (struct ff_task){
		.source = (const char *)ff_source_pytest_payload,
		.file_name = "<payload.py>", /* no file of a folder: coverage looks for those */
		.call_name = "main",
		.kwargs = ff_collection(FF_DICT, kwargs, ARGUMENTS),
	};
	return 0;
}

/* A tuple of one word. */
static int pack_word(struct ff_pack *p, const char *word)
{
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, word);
	ff_pack_close(p);
	return ff_pack_done(p);
}

static int pack_list(struct ff_pack *p)
{
	return pack_word(p, "list");
}

static int pack_end(struct ff_pack *p)
{
	return pack_word(p, "end");
}

static int pack_idle(struct ff_pack *p)
{
	return pack_word(p, "idle");
}

static int pack_once(struct ff_pack *p, const char *word, const char *name, bool run,
		     const char *text)
{
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, "once");
	ff_pack_str(p, name);
	ff_pack_bool(p, run);
	ff_pack_str(p, word);
	if (text)
		ff_pack_str(p, text);
	else
		ff_pack_none(p);
	ff_pack_close(p);
	return ff_pack_done(p);
}

static int pack_stop(struct ff_pack *p)
{
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, "drop");
	ff_pack_none(p);
	ff_pack_close(p);
	return ff_pack_done(p);
}

static int pack_indexes(struct ff_pack *p, const char *word, const uint32_t *indexes, size_t count)
{
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, word);
	ff_pack_open(p, FF_LIST);
	for (size_t i = 0; i < count; i++)
		ff_pack_int(p, indexes[i]);
	ff_pack_close(p);
	ff_pack_close(p);
	return ff_pack_done(p);
}

static int pack_run(struct ff_pack *p, const uint32_t *indexes, size_t count)
{
	return pack_indexes(p, "run", indexes, count);
}

static int pack_run_part(struct ff_pack *p, uint32_t part, const char *digest,
			 const uint32_t *places, size_t count)
{
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, "file");
	ff_pack_int(p, part);
	if (digest)
		ff_pack_str(p, digest);
	else
		ff_pack_none(p);
	if (places)
		ff_pack_open(p, FF_LIST);
	else
		ff_pack_none(p);
	for (size_t i = 0; places && i < count; i++)
		ff_pack_int(p, places[i]);
	if (places)
		ff_pack_close(p);
	ff_pack_close(p);
	return ff_pack_done(p);
}

static int pack_take_back(struct ff_pack *p, const uint32_t *indexes, size_t count)
{
	return pack_indexes(p, "drop", indexes, count);
}

/* --- in --- */

static int on_missing(const struct incoming *in)
{
	const struct ff_value *dict = ff_pytest_dict(in);
	char *text;

	if (!dict)
		return ff_pytest_bad_item(in, "missing without a dict");
	text = ff_xasprintf("%s cannot import %s: %s", ff_dict_str(dict, "executable", "?"),
			    ff_dict_str(dict, "module", "?"), ff_dict_str(dict, "error", "?"));
	in->sink->missing(in->ctx, text);
	ff_free(text);
	return 0;
}

static int on_dropped(const struct incoming *in)
{
	const struct ff_value *list = ff_at(in->item, 1);
	uint32_t *indexes = ff_pytest_indexes(list);

	if (!indexes)
		return ff_pytest_bad_item(in, "dropped what is no list of indexes");
	if (in->sink->returned)
		in->sink->returned(in->ctx, indexes, list->len);
	ff_free(indexes);
	return 0;
}

static int tell_done(const struct incoming *in, const struct ff_value *done)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_result result;
	uint32_t index;
	int rc = ff_pytest_result(&result, &index, done, &arena, in->err);

	if (!rc)
		in->sink->unit_finished(in->ctx, index, &result);
	ff_arena_release(&arena);
	return rc;
}

static int on_done(const struct incoming *in)
{
	return tell_done(in, in->item);
}

static int on_start(const struct incoming *in)
{
	uint32_t index;

	if (!ff_pytest_index(ff_at(in->item, 1), &index))
		return ff_pytest_bad_item(in, "start without an index");
	in->sink->unit_started(in->ctx, index);
	return 0;
}

static int on_next(const struct incoming *in)
{
	const struct ff_value *done = ff_at(in->item, 1);
	uint32_t index;
	int rc;

	if (!done || !ff_pytest_index(ff_at(in->item, 2), &index))
		return ff_pytest_bad_item(in, "next without an index");
	rc = tell_done(in, done);
	if (!rc)
		in->sink->unit_started(in->ctx, index);
	return rc;
}

static int on_want(const struct incoming *in)
{
	uint32_t index;

	if (!ff_pytest_index(ff_at(in->item, 1), &index))
		return ff_pytest_bad_item(in, "want without an index");
	if (in->sink->wants)
		in->sink->wants(in->ctx);
	return 0;
}

static int on_doing(const struct incoming *in)
{
	const struct ff_value *words = ff_at(in->item, 1);

	if (!words || (words->kind != FF_STR && words->kind != FF_NONE))
		return ff_pytest_bad_item(in, "doing without words");
	if (in->sink->doing)
		in->sink->doing(in->ctx, words->kind == FF_STR ? words->text : NULL);
	return 0;
}

static int on_once(const struct incoming *in)
{
	static const char *const words[] = {"ask", "have", "failed", "leave", "done"};
	const struct ff_value *word = ff_at(in->item, 1), *name = ff_at(in->item, 2);
	const struct ff_value *run = ff_at(in->item, 3), *text = ff_at(in->item, 4);
	bool known = false;

	for (size_t i = 0; word && i < sizeof(words) / sizeof(*words); i++)
		known |= ff_is_str(word, words[i]);
	if (!known || !name || name->kind != FF_STR || !run || run->kind != FF_BOOL || !text ||
	    (text->kind != FF_STR && text->kind != FF_NONE))
		return ff_pytest_bad_item(in, "a word about farflung_once that can't be read");
	if (in->sink->once)
		in->sink->once(in->ctx, word->text, name->text, run->boolean,
			       text->kind == FF_STR ? text->text : NULL);
	return 0;
}

/* A line that a test printed and nobody captured. */
static int on_said(const struct incoming *in)
{
	const struct ff_value *text = ff_at(in->item, 3);
	uint32_t index;

	if (!ff_pytest_index(ff_at(in->item, 1), &index) || !text || text->kind != FF_STR)
		return ff_pytest_bad_item(in, "said without an index and a text");
	if (in->sink->unit_said)
		in->sink->unit_said(in->ctx, index, text->text);
	return 0;
}

static int on_collect_report(const struct incoming *in)
{
	const struct ff_value *dict = ff_pytest_dict(in);
	const char *nodeid = ff_dict_str(dict, "nodeid", NULL);

	if (!nodeid)
		return ff_pytest_bad_item(in, "collect_report without a node id");
	in->sink->collect_problem(in->ctx, nodeid, ff_dict_str(dict, "message", NULL),
				  ff_dict_str(dict, "longrepr", NULL),
				  !strcmp(ff_dict_str(dict, "outcome", ""), "skipped"));
	return 0;
}

static int on_warning(const struct incoming *in)
{
	const struct ff_value *dict = ff_pytest_dict(in);
	struct ff_payload_notice notice = {
		.level = "warning",
		.text = ff_dict_str(dict, "message", NULL),
		.category = ff_dict_str(dict, "category", "Warning"),
		.file = ff_dict_str(dict, "filename", NULL),
		.source = ff_dict_str(dict, "source", NULL),
		.unit = ff_dict_str(dict, "nodeid", NULL),
	};
	int64_t line, nth;

	if (!notice.text)
		return ff_pytest_bad_item(in, "warning without a message");
	if (ff_pytest_number(dict, "lineno", INT_MAX, &line))
		notice.line = (int)line;
	if (ff_pytest_number(dict, "nth", INT_MAX, &nth))
		notice.nth = (uint32_t)nth;
	in->sink->notice(in->ctx, &notice);
	return 0;
}

static int on_error(const struct incoming *in)
{
	const struct ff_value *text = ff_at(in->item, 1);

	if (!text || text->kind != FF_STR)
		return ff_pytest_bad_item(in, "an error without a text");
	in->sink->session_error(in->ctx,
				ff_is_str(ff_at(in->item, 0), "usage_error") ? FF_REASON_USAGE
									     : FF_REASON_PAYLOAD,
				text->text);
	return 0;
}

/* A text of the session, such as the traceback of a hook. */
static int on_trouble(const struct incoming *in)
{
	const struct ff_value *text = ff_at(in->item, 1);

	if (!text || text->kind != FF_STR)
		return ff_pytest_bad_item(in, "trouble without a text");
	in->sink->notice(in->ctx,
			 &(struct ff_payload_notice){.level = "error", .text = text->text});
	return 0;
}

/* record_testsuite_property's. */
static int on_property(const struct incoming *in)
{
	const struct ff_value *name = ff_at(in->item, 1), *value = ff_at(in->item, 2);
	char *text;

	if (!name || name->kind != FF_STR || !value || value->kind != FF_STR)
		return ff_pytest_bad_item(in, "a property that is no pair of texts");
	text = ff_xasprintf("%s=%s", name->text, value->text);
	in->sink->notice(in->ctx, &(struct ff_payload_notice){.level = "property", .text = text});
	ff_free(text);
	return 0;
}

/* Whether pytest's exit status is one that units, or their number, account for. */
static bool is_plain_status(int64_t status)
{
	enum { ALL_PASSED = 0, TESTS_FAILED = 1, NO_TESTS_COLLECTED = 5 };

	return status == ALL_PASSED || status == TESTS_FAILED || status == NO_TESTS_COLLECTED;
}

/* A list of texts behind the word; NULL: it is none. */
static const struct ff_value *texts_of(const struct incoming *in)
{
	const struct ff_value *list = ff_at(in->item, 1);

	if (!list || list->kind != FF_LIST)
		return NULL;
	for (size_t i = 0; i < list->len; i++)
		if (list->items[i].kind != FF_STR)
			return NULL;
	return list;
}

static int on_need(const struct incoming *in)
{
	if (!texts_of(in) || !in->sink->needs_front)
		return ff_pytest_bad_item(in, "need without reasons");
	in->sink->needs_front(in->ctx, texts_of(in), ff_at(in->item, 2));
	return 0;
}

static int on_without(const struct incoming *in)
{
	if (!texts_of(in) || !in->sink->without)
		return ff_pytest_bad_item(in, "without what");
	in->sink->without(in->ctx, texts_of(in));
	return 0;
}

static int on_front(const struct incoming *in)
{
	if (!ff_at(in->item, 1) || !in->sink->to_front)
		return ff_pytest_bad_item(in, "nothing for the front");
	in->sink->to_front(in->ctx, ff_at(in->item, 1));
	return 0;
}

static int on_imported(const struct incoming *in)
{
	const struct ff_value *text = ff_at(in->item, 1);

	if (!text || text->kind != FF_STR || !in->sink->imported)
		return ff_pytest_bad_item(in, "imported what is no text");
	in->sink->imported(in->ctx, text->text);
	return 0;
}

static int on_finished(const struct incoming *in)
{
	const struct ff_value *dict = ff_pytest_dict(in);
	const char *stop = ff_dict_str(dict, "stop", "");
	char words[64];
	int64_t status;
	bool bad;

	if (!dict || !ff_pytest_number(dict, "exitstatus", INT_MAX, &status))
		return ff_pytest_bad_item(in, "finished without an exit status");
	bad = ff_dict_bool(dict, "bad", false) || !is_plain_status(status);
	if (bad && !*stop) {
		snprintf(words, sizeof(words), "pytest's exit status is %d", (int)status);
		stop = words;
	}
	if (ff_dict_bool(dict, "told", false)) {
		bad = false;
		stop = "";
	}
	in->sink->session_finished(in->ctx, (int)status, bad, *stop ? stop : NULL);
	return 0;
}

static int on_item(const struct ff_value *item, const struct ff_payload_sink *sink, void *ctx,
		   struct ff_err *err)
{
	static const struct {
		const char *word;
		int (*read)(const struct incoming *in);
	} readers[] = {
		{"next", on_next},
		{"done", on_done},
		{"start", on_start},
		{"want", on_want},
		{"said", on_said},
		{"collected", ff_pytest_on_collected},
		{"files", ff_pytest_on_files},
		{"sources", ff_pytest_on_sources},
		{"tests", ff_pytest_on_tests},
		{"marks", ff_pytest_on_marks},
		{"ids", ff_pytest_on_ids},
		{"dropped", on_dropped},
		{"front", on_front},
		{"need", on_need},
		{"without", on_without},
		{"missing", on_missing},
		{"warning", on_warning},
		{"collect_report", on_collect_report},
		{"usage_error", on_error},
		{"internal_error", on_error},
		{"trouble", on_trouble},
		{"finished", on_finished},
		{"property", on_property},
		{"imported", on_imported},
		{"doing", on_doing},
		{"once", on_once},
	};
	const struct incoming in = {.item = item, .sink = sink, .ctx = ctx, .err = err};
	const struct ff_value *word = ff_at(item, 0);

	for (size_t i = 0; word && i < sizeof(readers) / sizeof(*readers); i++)
		if (ff_is_str(word, readers[i].word))
			return readers[i].read(&in);
	return ff_pytest_bad_item(&in, "an unknown item");
}

static const struct ff_payload_session session = {
	.task = make_task,
	.ask_ids = pack_list,
	.run = pack_run,
	.run_part = pack_run_part,
	.take_back = pack_take_back,
	.end = pack_end,
	.stop = pack_stop,
	.idle = pack_idle,
	.once = pack_once,
	.cause = ff_pytest_cause,
	.template = ff_pytest_template,
};

const struct ff_payload ff_payload_pytest = {
	.name = "pytest",
	.follow = ff_pytest_cache,
	.probe = &ff_pytest_probe,
	.session = &session,
	.front = &ff_pytest_front,
	.exit_status = ff_pytest_exit_status,
	.item = on_item,
};

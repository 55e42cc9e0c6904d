/* What a run tells, gathered for who is told of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "notify/private.h"
#include "report/cases.h"
#include "report/text.h"

enum {
	NAME_MAX_BYTES = 300,
	MESSAGE_MAX_BYTES = 500,
	VAIN_TRIES = 2, /* a host that went away, or did not come, so often in a row is told */
};

/* Some of many: `count` of all. */
struct some {
	json_t *list;
	uint32_t count;
};

struct ff_facts {
	const struct ff_config *config;
	struct ff_cases cases;
	struct some failures, flaky, lost;
	bool told_failure, told_host, interrupted;
	struct ff_map hosts; /* names to how often in a row they went away */
	char *run_id, *file, *shard, *previous;
	char *what; /* ff_earlier_what */
	struct ff_strv jobs;
	char *reason;
	enum ff_reason why;
	bool ended;
	int exit_code;
	int64_t took_us, began_us;
	struct ff_counts counts;
};

const char *ff_notify_word(enum ff_notify_when when)
{
	static const char *const words[] = {
#define X(name, word) [FF_NOTIFY_##name] = word,
		FF_NOTIFY_MAP(X)
#undef X
	};

	return words[when];
}

/* --- texts --- */

char *ff_notify_text(const char *text, size_t max)
{
	struct ff_buf out = FF_BUF_INIT;
	size_t left = text ? strlen(text) : 0, len;

	for (; left; text += len, left -= len) {
		int32_t point = ff_text_decode(text, left, &len);
		bool control = point >= 0 && point < 0x20 && point != '\n' && point != '\t';

		if (out.len + len > max) {
			ff_buf_addstr(&out, "...");
			break;
		}
		if (point < 0 || control || point == 0x7f)
			ff_buf_addstr(&out, "\xef\xbf\xbd"); /* U+FFFD */
		else
			ff_buf_add(&out, text, len);
	}
	return out.len ? ff_buf_take(&out) : ff_xstrdup("");
}

static json_t *text_of(const char *text, size_t max)
{
	char *copy = ff_notify_text(text, max);
	json_t *json = json_string(copy);

	ff_free(copy);
	return json;
}

const char *ff_notify_get(const json_t *document, const char *key)
{
	const char *text = json_string_value(json_object_get(document, key));

	return text ? text : "";
}

static void replace_text(char **at, const char *text)
{
	ff_free(*at);
	*at = ff_xstrdup(text);
}

/* --- units --- */

static void add_some(struct some *some, const char *job, const char *name, const char *host,
		     const char *what, const char *message)
{
	struct ff_buf text = FF_BUF_INIT;
	json_t *item;

	if (some->count++ >= FF_FACTS_LISTED_MAX)
		return;
	item = json_object();
	json_object_set_new(item, "job", job ? text_of(job, NAME_MAX_BYTES) : json_null());
	json_object_set_new(item, "name", name ? text_of(name, NAME_MAX_BYTES) : json_null());
	json_object_set_new(item, "host", host ? text_of(host, NAME_MAX_BYTES) : json_null());
	json_object_set_new(item, "outcome", json_string(what));
	json_object_set_new(item, "message",
			    message ? text_of(message, MESSAGE_MAX_BYTES) : json_null());
	/* The same on one line. */
	if (job && name && strcmp(job, name) != 0)
		ff_buf_addf(&text, "%s: ", ff_notify_get(item, "job"));
	ff_buf_addstr(&text, ff_notify_get(item, name ? "name" : "host"));
	ff_buf_addf(&text, " (%s)", what);
	if (message && *message)
		ff_buf_addf(&text, ": %s", ff_notify_get(item, "message"));
	json_object_set_new(item, "text", json_string(ff_buf_str(&text)));
	json_array_append_new(some->list, item);
	ff_buf_release(&text);
}

static void on_case(void *ctx, const struct ff_case *c)
{
	struct ff_facts *facts = ctx;
	const char *what = c->result ? ff_outcome_word(c->result->outcome)
			   : c->type ? c->type
				     : ff_case_status_word(c->status);

	if (c->kind == FF_CASE_ATTEMPT)
		return;
	if (c->status == FF_CASE_FAILED || c->status == FF_CASE_ERROR)
		add_some(&facts->failures, c->job, c->name, c->host, what, ff_case_message(c));
	else if (ff_case_flaky(c))
		add_some(&facts->flaky, c->job, c->name, c->host, "flaky", NULL);
}

/* --- hosts --- */

/* It was not there again when it was tried, or is given up. */
static bool is_lost(struct ff_facts *facts, const struct ff_event *event)
{
	uintptr_t times = (uintptr_t)ff_map_get(&facts->hosts, event->host);

	if (event->kind == FF_EVENT_HOST_AWAY && event->u.host_away.code == FF_EBUSY)
		return false;
	times++;
	if (event->kind != FF_EVENT_HOST_AWAY && times < VAIN_TRIES)
		times = VAIN_TRIES;
	/* One more of these says nothing new. */
	(void)ff_map_set(&facts->hosts, event->host, (void *)times);
	return times == VAIN_TRIES;
}

static unsigned on_host(struct ff_facts *facts, const struct ff_event *event)
{
	if (!event->host || !is_lost(facts, event))
		return 0;
	add_some(&facts->lost, NULL, NULL, event->host, "lost", event->u.host_away.error);
	if (facts->told_host)
		return 0;
	facts->told_host = true;
	return 1U << FF_NOTIFY_HOST_LOST;
}

static void on_end(struct ff_facts *facts, const struct ff_event *event)
{
	facts->ended = true;
	facts->exit_code = event->u.run_finished.exit_code;
	facts->why = event->u.run_finished.why;
	facts->counts = event->u.run_finished.counts;
	facts->took_us = event->u.run_finished.took_us;
	replace_text(&facts->reason, event->u.run_finished.reason);
}

unsigned ff_facts_event(struct ff_facts *facts, const struct ff_event *event)
{
	uint32_t failures = facts->failures.count;

	facts->cases.ctx = facts;
	ff_cases_event(&facts->cases, event);
	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		replace_text(&facts->run_id, event->u.run_started.run_id);
		ff_free(facts->file);
		facts->file = ff_earlier_file(event->u.run_started.directory,
					      event->u.run_started.config_file);
		ff_free(facts->what);
		facts->what = ff_earlier_what(event);
		ff_free(facts->shard);
		facts->shard = ff_earlier_shard(event->u.run_started.command_line);
		facts->began_us = event->time_us;
		return 1U << FF_NOTIFY_START;
	case FF_EVENT_JOB_ADDED:
		if (event->job)
			(void)ff_strv_add(&facts->jobs, event->job);
		return 0;
	case FF_EVENT_HOST_READY:
		if (event->host)
			ff_map_del(&facts->hosts, event->host);
		return 0;
	case FF_EVENT_HOST_AWAY:
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
		return on_host(facts, event);
	case FF_EVENT_INTERRUPTED:
		facts->interrupted = true;
		return 0;
	case FF_EVENT_RUN_FINISHED:
		on_end(facts, event);
		return 0;
	default:
		break;
	}
	/* What an earlier run had is no news. */
	if (facts->told_failure || facts->interrupted || facts->failures.count == failures ||
	    event->kind == FF_EVENT_UNIT_BEFORE)
		return 0;
	facts->told_failure = true;
	return 1U << FF_NOTIFY_FIRST_FAILURE;
}

/* What an interrupt ended is lost, and nobody's failure. */
static bool has_failures(const struct ff_facts *facts)
{
	const uint32_t *by_outcome = facts->counts.by_outcome;

	if (facts->exit_code != FF_NOTIFY_INTERRUPTED)
		return facts->exit_code != 0;
	return by_outcome[FF_OUTCOME_FAILED] || by_outcome[FF_OUTCOME_ERROR] ||
	       by_outcome[FF_OUTCOME_CRASHED] || by_outcome[FF_OUTCOME_TIMEOUT];
}

unsigned ff_facts_end(struct ff_facts *facts, const char *home, int exit_code)
{
	const struct ff_earlier own = {.run_id = facts->run_id,
				       .began_us = facts->began_us,
				       .file = facts->what,
				       .shard = facts->shard,
				       .jobs = &facts->jobs};
	unsigned whens = 1U << FF_NOTIFY_FINISH;

	facts->ended = true;
	facts->exit_code = exit_code;
	if (has_failures(facts))
		whens |= 1U << FF_NOTIFY_FAILURE;
	if (facts->flaky.count)
		whens |= 1U << FF_NOTIFY_FLAKY;
	ff_earlier_sort(&facts->jobs);
	if (exit_code == 0 && facts->run_id && facts->what &&
	    ff_earlier_failed(home, &own, &facts->previous))
		whens |= 1U << FF_NOTIFY_RECOVERY;
	return whens;
}

/* --- the document --- */

/* "nightly" of nightly.yaml; of farflung.yaml its folder's name. The caller's to free. */
static char *name_of(const struct ff_config *config)
{
	const char *path = config->path ? config->path : "", *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
	size_t len = dot && dot > base ? (size_t)(dot - base) : strlen(base);
	const char *folder = config->directory ? strrchr(config->directory, '/') : NULL;

	if ((len == 8 && !strncmp(base, "farflung", len)) || !len || *base == '<' || *base == '-')
		return ff_xstrdup(folder && folder[1] ? folder + 1 : "farflung");
	return ff_xstrndup(base, len);
}

/* "2 failed, 3 passed" */
static void add_counts(struct ff_buf *out, const struct ff_counts *counts)
{
	static const enum ff_outcome order[] = {
		FF_OUTCOME_FAILED,  FF_OUTCOME_ERROR,	FF_OUTCOME_CRASHED,
		FF_OUTCOME_TIMEOUT, FF_OUTCOME_LOST,	FF_OUTCOME_PASSED,
		FF_OUTCOME_XPASSED, FF_OUTCOME_XFAILED, FF_OUTCOME_SKIPPED};
	size_t before = out->len;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (counts->by_outcome[order[i]])
			ff_buf_addf(out, "%s%u %s", out->len > before ? ", " : "",
				    counts->by_outcome[order[i]], ff_outcome_word(order[i]));
	if (counts->not_run)
		ff_buf_addf(out, "%s%u not run", out->len > before ? ", " : "", counts->not_run);
	if (out->len == before)
		ff_buf_addstr(out, "nothing was run");
}

/* Where it stands: "nightly failed", "nightly lost host n1". */
static void add_title(struct ff_buf *out, const struct ff_facts *facts, const char *name,
		      unsigned whens)
{
	const json_t *lost = json_array_get(facts->lost.list, 0);

	ff_buf_addf(out, "%s ", name);
	if (whens & 1U << FF_NOTIFY_START)
		ff_buf_addstr(out, "has begun");
	else if (whens & 1U << FF_NOTIFY_FIRST_FAILURE)
		ff_buf_addstr(out, "has a first failure");
	else if (whens & 1U << FF_NOTIFY_HOST_LOST)
		ff_buf_addf(out, "has lost host %s", ff_notify_get(lost, "host"));
	else if (facts->exit_code == FF_NOTIFY_INTERRUPTED)
		ff_buf_addf(out, "was interrupted%s", has_failures(facts) ? ", with failures" : "");
	else if (facts->exit_code != 0)
		ff_buf_addstr(out, "failed");
	else if (whens & 1U << FF_NOTIFY_RECOVERY)
		ff_buf_addstr(out, "passed again");
	else if (whens & 1U << FF_NOTIFY_FLAKY)
		ff_buf_addstr(out, "passed, but not all at once");
	else
		ff_buf_addstr(out, "passed");
}

static void add_list(struct ff_buf *out, const char *title, const struct some *some)
{
	size_t index;
	const json_t *item;

	if (!some->count)
		return;
	ff_buf_addf(out, "\n\n%s:", title);
	json_array_foreach(some->list, index, item)
		ff_buf_addf(out, "\n- %s", ff_notify_get(item, "text"));
	if (some->count > json_array_size(some->list))
		ff_buf_addf(out, "\n- and %zu more", some->count - json_array_size(some->list));
}

static json_t *counts_of(const struct ff_counts *counts)
{
	json_t *json = json_object();

	for (int i = 0; i < FF_OUTCOMES; i++)
		json_object_set_new(json, ff_outcome_word((enum ff_outcome)i),
				    json_integer(counts->by_outcome[i]));
	json_object_set_new(json, "not_run", json_integer(counts->not_run));
	json_object_set_new(json, "total", json_integer(counts->total));
	return json;
}

static json_t *now_text(void)
{
	time_t now = (time_t)(ff_clock_wall_us() / FF_SECOND_US);
	struct tm tm;
	char text[32];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static const char *result_word(const struct ff_facts *facts)
{
	if (!facts->ended)
		return "running";
	return facts->exit_code == 0			   ? "passed"
	       : facts->exit_code == FF_NOTIFY_INTERRUPTED ? "interrupted"
							   : "failed";
}

/* What words there are for it. */
static void set_words(json_t *document, const struct ff_facts *facts, const char *name,
		      unsigned whens)
{
	struct ff_buf title = FF_BUF_INIT, summary = FF_BUF_INIT, text = FF_BUF_INIT;

	add_title(&title, facts, name, whens);
	if (facts->ended) {
		add_counts(&summary, &facts->counts);
		ff_buf_addstr(&summary, " in ");
		ff_text_seconds(&summary, facts->took_us);
	} else if (whens & 1U << FF_NOTIFY_HOST_LOST) {
		ff_buf_addstr(&summary,
			      ff_notify_get(json_array_get(facts->lost.list, 0), "message"));
	} else if (facts->failures.count) {
		ff_buf_addstr(&summary,
			      ff_notify_get(json_array_get(facts->failures.list, 0), "text"));
	} else {
		ff_buf_addf(&summary, "%zu job%s", facts->jobs.len,
			    facts->jobs.len == 1 ? "" : "s");
	}
	ff_buf_addstr(&text, ff_buf_str(&summary));
	/* "2 failed" says nothing more. */
	if (facts->ended && facts->reason && facts->exit_code &&
	    strncmp(ff_buf_str(&summary), facts->reason, strlen(facts->reason)) != 0) {
		char *reason = ff_notify_text(facts->reason, MESSAGE_MAX_BYTES);

		ff_buf_addf(&text, "\n%s", reason);
		ff_free(reason);
	}
	if (facts->ended)
		add_list(&text, "Failures", &facts->failures);
	add_list(&text, "Flaky", &facts->flaky);
	if (facts->ended)
		add_list(&text, "Hosts lost", &facts->lost);
	json_object_set_new(document, "title", text_of(ff_buf_str(&title), MESSAGE_MAX_BYTES));
	json_object_set_new(document, "summary", text_of(ff_buf_str(&summary), MESSAGE_MAX_BYTES));
	json_object_set_new(document, "text", text_of(ff_buf_str(&text), 64 << 10));
	ff_buf_release(&title);
	ff_buf_release(&summary);
	ff_buf_release(&text);
}

json_t *ff_facts_document(const struct ff_facts *facts, unsigned whens)
{
	json_t *document = json_object();
	char machine[256] = "", *own = name_of(facts->config);
	char *name = ff_notify_text(own, NAME_MAX_BYTES);

	gethostname(machine, sizeof(machine) - 1);
	json_object_set_new(document, "version", json_integer(1));
	json_object_set_new(document, "event", json_string(""));
	set_words(document, facts, name, whens);
	json_object_set_new(document, "name", json_string(name));
	json_object_set_new(document, "result", json_string(result_word(facts)));
	json_object_set_new(document, "exit_code",
			    facts->ended ? json_integer(facts->exit_code) : json_null());
	json_object_set_new(
		document, "reason",
		text_of(facts->ended && facts->reason ? facts->reason : "", MESSAGE_MAX_BYTES));
	json_object_set_new(document, "duration", json_real((double)facts->took_us / 1e6));
	json_object_set_new(document, "counts", counts_of(&facts->counts));
	json_object_set_new(document, "failures", json_deep_copy(facts->failures.list));
	json_object_set_new(document, "failures_count", json_integer(facts->failures.count));
	json_object_set_new(document, "flaky", json_deep_copy(facts->flaky.list));
	json_object_set_new(document, "flaky_count", json_integer(facts->flaky.count));
	json_object_set_new(document, "hosts_lost", json_deep_copy(facts->lost.list));
	json_object_set_new(document, "file", text_of(facts->file ? facts->file : "", 4096));
	json_object_set_new(document, "machine", text_of(machine, sizeof(machine)));
	json_object_set_new(document, "run", text_of(facts->run_id ? facts->run_id : "", 100));
	json_object_set_new(document, "previous_run",
			    facts->previous ? text_of(facts->previous, 100) : json_null());
	json_object_set_new(document, "link", json_null());
	json_object_set_new(document, "time", now_text());
	ff_free(own);
	ff_free(name);
	return document;
}

json_t *ff_facts_sample(const struct ff_config *config)
{
	struct ff_facts *facts = ff_facts_new(config);
	json_t *document;

	document = ff_facts_document(facts, 1U << FF_NOTIFY_START);
	json_object_set_new(document, "event", json_string("test"));
	json_object_set_new(document, "result", json_string("test"));
	json_object_set_new(
		document, "title",
		json_sprintf("%s: a test, nothing was run", ff_notify_get(document, "name")));
	json_object_set_new(
		document, "summary",
		json_string("farflung notify --test sent this, to see whether it comes"));
	json_object_set(document, "text", json_object_get(document, "summary"));
	ff_facts_free(facts);
	return document;
}

/* --- life --- */

struct ff_facts *ff_facts_new(const struct ff_config *config)
{
	struct ff_facts *facts = ff_xcalloc(1, sizeof(*facts));

	facts->config = config;
	facts->cases.each = on_case;
	facts->failures.list = json_array();
	facts->flaky.list = json_array();
	facts->lost.list = json_array();
	return facts;
}

void ff_facts_free(struct ff_facts *facts)
{
	ff_cases_release(&facts->cases);
	json_decref(facts->failures.list);
	json_decref(facts->flaky.list);
	json_decref(facts->lost.list);
	ff_map_release(&facts->hosts);
	ff_strv_release(&facts->jobs);
	ff_free(facts->run_id);
	ff_free(facts->file);
	ff_free(facts->what);
	ff_free(facts->shard);
	ff_free(facts->previous);
	ff_free(facts->reason);
	ff_free(facts);
}

/* What the terminal reporter says of hosts and workers: at once, and at the end of those that were
 * not all right. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

struct ff_terminal_host *ff_terminal_host(struct ff_terminal *t, const char *name)
{
	struct ff_terminal_host *host;

	name = name ? name : "?";
	host = ff_map_get(&t->host_map, name);
	if (host)
		return host;
	host = ff_xcalloc(1, sizeof(*host));
	host->name = ff_xstrdup(name);
	ff_map_set(&t->host_map, name, host);
	ff_list_add_tail(&t->host_list, &host->node);
	return host;
}

void ff_terminal_free_hosts(struct ff_terminal *t)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &t->host_list) {
		struct ff_terminal_host *host = ff_container_of(pos, struct ff_terminal_host, node);

		ff_free(host->name);
		ff_free(host->reason);
		ff_free(host->unusable);
		ff_free(host->unfit_for);
		ff_free(host->unfit);
		ff_free(host);
	}
	ff_map_release(&t->host_map);
	ff_map_release(&t->words);
	ff_map_release(&t->starting);
	ff_free(t->slowest);
}

static void set_text(char **at, const char *text)
{
	ff_free(*at);
	*at = text && *text ? ff_xstrdup(text) : NULL;
}

static bool is_down(const struct ff_terminal_host *host)
{
	return host->state == FF_TERMINAL_HOST_AWAY || host->state == FF_TERMINAL_HOST_FAILED ||
	       host->state == FF_TERMINAL_HOST_LOST;
}

static void add_host(const struct ff_terminal *t, struct ff_buf *out, const struct ff_event *event)
{
	ff_buf_addstr(out, "host ");
	ff_terminal_name(t, out, event->host ? event->host : "?");
}

void ff_terminal_blame_host(struct ff_terminal *t, const char *name, const char *why)
{
	char **kept = &ff_terminal_host(t, name)->unusable;
	struct ff_buf gist = FF_BUF_INIT;

	/* It was shown as a whole. */
	if (why)
		ff_text_gist(&gist, why);
	set_text(kept, why ? ff_buf_str(&gist) : NULL);
	ff_buf_release(&gist);
}

/* --- hosts --- */

/* Each host has a line of its own unless there are many. */
static bool wants_line(const struct ff_terminal *t)
{
	return t->setup.verbosity > 0 ||
	       (t->setup.verbosity == 0 && t->hosts <= FF_TERMINAL_HOST_LINES);
}

static void host_is_ready(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_host *host = ff_terminal_host(t, event->host);
	bool back = is_down(host);
	struct ff_buf *out = &t->screen.text;

	host->state = FF_TERMINAL_HOST_READY;
	host->slots = event->u.host_ready.slots;
	if (!host->was_ready) {
		t->hosts_ready++;
		t->hosts_native += event->u.host_ready.native;
		if (event->u.host_ready.took_us >= t->slowest_us) {
			set_text(&t->slowest, host->name);
			t->slowest_us = event->u.host_ready.took_us;
		}
	}
	host->was_ready = true;
	if (!wants_line(t) && !(back && t->setup.verbosity == 0))
		return;
	add_host(t, out, event);
	ff_buf_addf(out, "%s: %s worker", back ? " is back" : "",
		    event->u.host_ready.native ? "native" : "python");
	if (event->u.host_ready.platform) {
		ff_buf_addstr(out, ", ");
		ff_terminal_name(t, out, event->u.host_ready.platform);
	}
	ff_buf_addf(out, ", %u slot%s, ready in ", event->u.host_ready.slots,
		    event->u.host_ready.slots == 1 ? "" : "s");
	ff_text_took(out, event->u.host_ready.took_us);
	ff_buf_addch(out, '\n');
}

static void host_is_synced(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_buf *out = &t->screen.text;

	t->sent_files += event->u.sync_finished.sent_files;
	t->sent_bytes += event->u.sync_finished.sent_bytes;
	if (!wants_line(t))
		return;
	add_host(t, out, event);
	ff_buf_addstr(out, ": tree in ");
	ff_terminal_name(t, out, event->u.sync_finished.root ? event->u.sync_finished.root : "?");
	ff_buf_addf(out, ": %llu of %llu file%s sent, ",
		    (unsigned long long)event->u.sync_finished.sent_files,
		    (unsigned long long)event->u.sync_finished.files,
		    event->u.sync_finished.files == 1 ? "" : "s");
	ff_text_size(out, event->u.sync_finished.sent_bytes);
	if (event->u.sync_finished.deleted > 0)
		ff_buf_addf(out, ", %llu deleted",
			    (unsigned long long)event->u.sync_finished.deleted);
	if (event->u.sync_finished.problems > 0)
		ff_buf_addf(out, ", %llu problem%s",
			    (unsigned long long)event->u.sync_finished.problems,
			    event->u.sync_finished.problems == 1 ? "" : "s");
	ff_buf_addstr(out, ", in ");
	ff_text_took(out, event->u.sync_finished.took_us);
	ff_buf_addch(out, '\n');
}

static const struct {
	enum ff_terminal_host_state state;
	const char *word;
} downs[FF_EVENT_KINDS] = {
	[FF_EVENT_HOST_AWAY] = {FF_TERMINAL_HOST_AWAY, "away"},
	[FF_EVENT_HOST_FAILED] = {FF_TERMINAL_HOST_FAILED, "failed"},
	[FF_EVENT_HOST_LOST] = {FF_TERMINAL_HOST_LOST, "lost"},
};

/* One line for a failure, whatever it took with it. A host that stays away is not told again at
 * each try. */
static void host_is_down(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_host_end *end = event->kind == FF_EVENT_HOST_AWAY   ? &event->u.host_away
					: event->kind == FF_EVENT_HOST_LOST ? &event->u.host_lost
									    : &event->u.host_failed;
	bool away = event->kind == FF_EVENT_HOST_AWAY;
	struct ff_terminal_host *host = ff_terminal_host(t, event->host);
	bool again = host->state == FF_TERMINAL_HOST_AWAY;
	struct ff_buf *out = &t->screen.text;

	host->state = downs[event->kind].state;
	set_text(&host->reason, end->error);
	if (!away && !host->was_ready)
		t->hosts_failed++;
	if (away && (t->setup.verbosity < 0 || (again && t->setup.verbosity == 0)))
		return;
	ff_terminal_paint(t, out, away ? FF_TERMINAL_YELLOW : FF_TERMINAL_RED);
	add_host(t, out, event);
	ff_buf_addf(out, " %s: ", downs[event->kind].word);
	ff_terminal_reason(out, end->error);
	if (end->units > 0)
		ff_buf_addf(out, "; %u unit%s ran there", end->units, end->units == 1 ? "" : "s");
	if (away && end->retry_us > 0) {
		ff_buf_addstr(out, "; trying again in ");
		ff_text_took(out, end->retry_us);
	}
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

static void host_is_unfit(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_host *host = ff_terminal_host(t, event->host);
	const char *payload = event->u.host_unfit.payload;
	struct ff_buf *out = &t->screen.text;

	set_text(&host->unfit_for, payload ? payload : "?");
	set_text(&host->unfit, event->u.host_unfit.error);
	ff_terminal_paint(t, out, FF_TERMINAL_RED);
	add_host(t, out, event);
	ff_buf_addstr(out, " can't run ");
	ff_terminal_name(t, out, host->unfit_for);
	ff_buf_addstr(out, ": ");
	ff_terminal_reason(out, host->unfit);
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

/* What only -v tells of a host that is all right. */
static void host_moves(struct ff_terminal *t, const struct ff_event *event, const char *what)
{
	struct ff_buf *out = &t->screen.text;

	if (t->setup.verbosity < 1)
		return;
	add_host(t, out, event);
	ff_buf_addf(out, ": %s\n", what);
}

/* Who comes or is to go while the run goes on is told without -v. */
static void host_changes(struct ff_terminal *t, const struct ff_event *event, const char *what,
			 const char *reason)
{
	struct ff_buf *out = &t->screen.text;

	if (t->setup.verbosity < 0)
		return;
	add_host(t, out, event);
	ff_buf_addf(out, ": %s%s", what, reason ? ": " : "");
	if (reason)
		ff_terminal_reason(out, reason);
	ff_buf_addch(out, '\n');
}

static void host_is_added(struct ff_terminal *t, const struct ff_event *event)
{
	bool known = event->host && ff_map_get(&t->host_map, event->host);
	struct ff_terminal_host *host = ff_terminal_host(t, event->host);

	if (!event->u.host_added.late)
		return;
	t->hosts += !known;
	host->state = FF_TERMINAL_HOST_COMING;
	host_changes(t, event, "joins", NULL);
}

static void host_drains(struct ff_terminal *t, const struct ff_event *event)
{
	char what[64];

	if (!event->u.host_draining.reason) {
		host_moves(t, event, "finishes what it has, and gets no more");
		return;
	}
	snprintf(what, sizeof(what), "gets no more, %u unit%s there",
		 event->u.host_draining.running,
		 event->u.host_draining.running == 1 ? " ends" : "s end");
	host_changes(t, event, what, event->u.host_draining.reason);
}

static void host_has_left(struct ff_terminal *t, const struct ff_event *event)
{
	if (!is_down(ff_terminal_host(t, event->host)))
		ff_terminal_host(t, event->host)->state = FF_TERMINAL_HOST_LEFT;
	if (event->u.host_left.reason)
		host_changes(t, event, "left", event->u.host_left.reason);
	else
		host_moves(t, event, "left");
}

void ff_terminal_say_host(struct ff_terminal *t, const struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_HOST_ADDED:
		host_is_added(t, event);
		return;
	case FF_EVENT_HOST_JOINING:
		if (event->u.host_joining.tries > 1)
			host_moves(t, event, "trying again");
		return;
	case FF_EVENT_HOST_UNFIT:
		host_is_unfit(t, event);
		return;
	case FF_EVENT_HOST_DRAINING:
		host_drains(t, event);
		return;
	case FF_EVENT_HOST_LEFT:
		host_has_left(t, event);
		return;
	case FF_EVENT_SYNC_FINISHED:
		host_is_synced(t, event);
		break;
	case FF_EVENT_HOST_READY:
		host_is_ready(t, event);
		break;
	default:
		host_is_down(t, event);
		break;
	}
	if (t->hosts_ready + t->hosts_failed >= t->hosts)
		ff_terminal_say_hosts(t);
}

/* Many hosts in one line, once: when all are known, or the first unit starts. */
void ff_terminal_say_hosts(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;

	if (t->hosts_told || t->setup.verbosity != 0 || t->hosts <= FF_TERMINAL_HOST_LINES)
		return;
	t->hosts_told = true;
	ff_buf_addf(out, "hosts: %u of %u ready, %u with the native worker", t->hosts_ready,
		    t->hosts, t->hosts_native);
	if (t->slowest) {
		ff_buf_addstr(out, ", the slowest (");
		ff_terminal_name(t, out, t->slowest);
		ff_buf_addstr(out, ") in ");
		ff_text_took(out, t->slowest_us);
	}
	if (t->sent_files > 0) {
		ff_buf_addf(out, "; %llu file%s sent, ", (unsigned long long)t->sent_files,
			    t->sent_files == 1 ? "" : "s");
		ff_text_size(out, t->sent_bytes);
	}
	ff_buf_addch(out, '\n');
}

/* --- workers --- */

/* What its workers say, as words; facts if they have none. */
static void add_words(const struct ff_terminal *t, struct ff_buf *out, const struct ff_event *event)
{
	if (event->u.worker_started.words) {
		ff_terminal_name(t, out, event->u.worker_started.words);
		return;
	}
	for (size_t i = 0; i < event->u.worker_started.facts_len; i++) {
		const struct ff_fact *fact = &event->u.worker_started.facts[i];

		ff_buf_addstr(out, i > 0 ? ", " : "");
		ff_terminal_name(t, out, fact->key);
		ff_buf_addch(out, ' ');
		ff_terminal_name(t, out, fact->value);
	}
}

/* The interpreter and what it brings, once for each host, or once for each kind when there are
 * many hosts. */
static void worker_has_started(struct ff_terminal *t, const struct ff_event *event)
{
	bool many = t->hosts > FF_TERMINAL_HOST_LINES;
	struct ff_buf words = FF_BUF_INIT;
	struct ff_buf *out = &t->screen.text;
	const struct ff_terminal_job *job;
	const char *key;

	ff_map_del(&t->starting, ff_terminal_key(t, event->host, event->worker, NULL));
	ff_terminal_host(t, event->host)->worked = true;
	ff_terminal_hear_asked(t, event);
	job = ff_terminal_job(t, event->job);
	add_words(t, &words, event);
	key = ff_terminal_key(t, many ? NULL : event->host, ff_buf_str(&words), NULL);
	if (words.len > 0 && t->setup.verbosity >= 0 && !(job && *job->asked.no_header) &&
	    !ff_map_get(&t->words, key) && t->words.len < FF_TERMINAL_HOST_LINES) {
		ff_map_set(&t->words, key, t);
		ff_buf_addstr(out, many ? "first on " : "");
		add_host(t, out, event);
		ff_buf_addf(out, ": %s\n", ff_buf_str(&words));
		for (const char *const *line = event->u.worker_started.header;
		     t->setup.verbosity > 0 && line && *line; line++)
			ff_text_lines(out, *line, strlen(*line), "  ", false);
	}
	ff_buf_release(&words);
}

/* One that never started: slots of a host fail for one reason, which is told once. */
static void worker_has_failed(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_host *host = ff_terminal_host(t, event->host);
	const char *reason = event->u.worker_ended.reason;
	struct ff_buf *out = &t->screen.text;

	/* What took its host, or was ended on purpose, is told elsewhere. */
	if (!event->u.worker_ended.crashed || is_down(host) ||
	    (host->unusable && strcmp(host->unusable, reason) == 0))
		return;
	set_text(&host->unusable, reason);
	ff_terminal_paint(t, out, FF_TERMINAL_RED);
	add_host(t, out, event);
	ff_buf_addstr(out, ": worker ");
	ff_terminal_name(t, out, event->worker);
	ff_buf_addstr(out, " did not start: ");
	ff_terminal_reason(out, reason);
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

static void worker_has_ended(struct ff_terminal *t, const struct ff_event *event)
{
	const char *reason = event->u.worker_ended.reason;
	struct ff_buf *out = &t->screen.text;

	if (ff_map_del(&t->starting, ff_terminal_key(t, event->host, event->worker, NULL)) &&
	    reason && *reason) {
		worker_has_failed(t, event);
		return;
	}
	/* Those that went away with their host have its line. */
	if (!event->u.worker_ended.crashed || t->setup.verbosity < 0 ||
	    (t->setup.verbosity == 0 && is_down(ff_terminal_host(t, event->host))))
		return;
	ff_terminal_paint(t, out, FF_TERMINAL_RED);
	ff_buf_addstr(out, "worker ");
	ff_terminal_name(t, out, event->worker);
	ff_buf_addstr(out, " on ");
	ff_terminal_name(t, out, event->host);
	ff_buf_addstr(out, " ended: ");
	ff_terminal_reason(out, reason);
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

void ff_terminal_say_worker(struct ff_terminal *t, const struct ff_event *event)
{
	if (event->kind == FF_EVENT_WORKER_OPENING)
		ff_map_set(&t->starting, ff_terminal_key(t, event->host, event->worker, NULL), t);
	else if (event->kind == FF_EVENT_WORKER_STARTED)
		worker_has_started(t, event);
	else
		worker_has_ended(t, event);
}

/* --- the end --- */

/* NULL: it is all right. */
static const char *trouble_of(const struct ff_terminal_host *host, const char **reason)
{
	*reason = host->reason;
	switch (host->state) {
	case FF_TERMINAL_HOST_AWAY:
		return "away";
	case FF_TERMINAL_HOST_FAILED:
		return "failed";
	case FF_TERMINAL_HOST_LOST:
		return "lost";
	default:
		*reason = host->unfit_for ? host->unfit : host->unusable;
		if (host->unfit_for)
			return "can't run";
		return host->unusable && !host->worked ? "not usable" : NULL;
	}
}

static void add_trouble(struct ff_terminal *t, const struct ff_terminal_host *host)
{
	struct ff_buf *out = &t->screen.text;
	const char *reason, *word = trouble_of(host, &reason);

	ff_terminal_name(t, out, host->name);
	ff_buf_addf(out, " %s", word);
	if (!is_down(host) && host->unfit_for) {
		ff_buf_addch(out, ' ');
		ff_terminal_name(t, out, host->unfit_for);
	}
	ff_buf_addstr(out, ": ");
	ff_terminal_reason(out, reason);
	ff_buf_addch(out, '\n');
}

/* "hosts: 2 of 3 used; build2 lost: reason", or a line for each if there are more. */
void ff_terminal_say_lost_hosts(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	const struct ff_terminal_host *first = NULL;
	size_t bad = 0, used = 0, told = 0;
	const char *reason;
	struct ff_list *pos;

	ff_list_for_each(pos, &t->host_list) {
		const struct ff_terminal_host *host =
			ff_container_of(pos, struct ff_terminal_host, node);
		bool trouble = trouble_of(host, &reason) != NULL;

		used += host->worked ? !is_down(host) : !trouble && host->was_ready;
		bad += trouble;
		first = trouble && !first ? host : first;
	}
	if (bad == 0)
		return;
	ff_terminal_paint(t, out, FF_TERMINAL_RED);
	ff_buf_addf(out, "hosts: %zu of %zu used", used,
		    t->host_map.len > t->hosts ? t->host_map.len : t->hosts);
	ff_terminal_unpaint(t, out);
	ff_buf_addstr(out, bad == 1 ? "; " : "\n");
	if (bad == 1)
		add_trouble(t, first);
	ff_list_for_each(pos, &t->host_list) {
		struct ff_terminal_host *host = ff_container_of(pos, struct ff_terminal_host, node);

		if (bad == 1 || !trouble_of(host, &reason))
			continue;
		if (told++ == FF_TERMINAL_HOST_LINES) {
			ff_buf_addf(out, "  and %zu more\n", bad - FF_TERMINAL_HOST_LINES);
			break;
		}
		ff_buf_addstr(out, "  ");
		add_trouble(t, host);
	}
	ff_buf_addch(out, '\n');
}

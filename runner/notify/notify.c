/* The reporter in front of the courier, and what `farflung notify` asks of it. */
#include "notify/notify.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "notify/private.h"
#include "report/text.h"

struct notify {
	struct ff_reporter base;
	struct ff_notify_opts opts;
	struct ff_facts *facts;
	struct ff_courier *courier;
	unsigned wanted; /* by any receiver */
	bool ended;	 /* the run has, in its own words */
};

static void tell(struct notify *notify, unsigned whens)
{
	if (whens & notify->wanted)
		ff_courier_add(notify->courier, ff_facts_document(notify->facts, whens), whens,
			       NULL);
}

static void notify_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct notify *notify = (struct notify *)reporter;

	tell(notify, ff_facts_event(notify->facts, event));
	notify->ended |= event->kind == FF_EVENT_RUN_FINISHED;
}

static int notify_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	(void)reporter;
	(void)err;
	return 0;
}

static void notify_abandon(struct ff_reporter *reporter)
{
	ff_courier_abandon(((struct notify *)reporter)->courier);
}

static void notify_free(struct ff_reporter *reporter)
{
	struct notify *notify = (struct notify *)reporter;

	ff_courier_free(notify->courier);
	ff_facts_free(notify->facts);
	ff_free(notify);
}

static const struct ff_reporter_class notify_class = {
	.name = "notify",
	.event = notify_event,
	.finish = notify_finish,
	.abandon = notify_abandon,
	.free = notify_free,
};

struct ff_reporter *ff_notify_new(const struct ff_notify_opts *opts)
{
	struct notify *notify = ff_xcalloc(1, sizeof(*notify));
	const struct ff_courier_opts courier = {.notify = &notify->opts, .old_too = true};

	notify->base.class = &notify_class;
	notify->opts = *opts;
	notify->facts = ff_facts_new(opts->config);
	for (size_t i = 0; i < opts->config->receivers_len; i++)
		notify->wanted |= opts->config->receivers[i].on;
	notify->courier = ff_courier_new(&courier);
	return &notify->base;
}

/* --- what came of it --- */

static bool failed(const struct ff_delivery *delivery)
{
	return delivery->state == FF_DELIVERY_FAILED;
}

/* One line for each receiver that was not told something, whatever and however often. */
static void say_unsent(const struct notify *notify)
{
	const struct ff_courier *courier = notify->courier;
	const struct ff_config *config = notify->opts.config;

	for (size_t i = 0; i < config->receivers_len; i++) {
		const struct ff_delivery *first = NULL;
		bool kept = false;
		size_t count = 0;
		char *text;

		for (size_t j = 0; j < ff_courier_len(courier); j++) {
			const struct ff_delivery *delivery = ff_courier_at(courier, j);

			if (delivery->receiver != &config->receivers[i] || !failed(delivery))
				continue;
			kept |= delivery->target != NULL;
			first = first ? first : delivery;
			count++;
		}
		if (!first)
			continue;
		text = ff_xasprintf(
			"notify: %s was not told (%zu notice%s): %s%s%s", first->receiver->name,
			count, count == 1 ? "" : "s", first->words,
			kept ? "; the next run tries again, or farflung notify --flush " : "",
			kept ? config->path : "");
		notify->opts.complain(text);
		ff_free(text);
	}
}

void ff_notify_end(struct ff_reporter *reporter, int exit_code)
{
	struct notify *notify = (struct notify *)reporter;

	ff_courier_close(notify->courier);
	if (notify->ended)
		tell(notify, ff_facts_end(notify->facts, notify->opts.home, exit_code));
	ff_courier_finish(notify->courier, notify->opts.config->settings.notify_wait_us);
	say_unsent(notify);
}

/* --- farflung notify --- */

static int print_results(const struct ff_courier *courier, bool event, FILE *out)
{
	int failures = 0;

	for (size_t i = 0; i < ff_courier_len(courier); i++) {
		const struct ff_delivery *delivery = ff_courier_at(courier, i);
		struct ff_buf where = FF_BUF_INIT;

		ff_notify_whereto(&where, delivery->receiver);
		fprintf(out, "%s: %s, %s", delivery->receiver->name,
			failed(delivery) ? "failed" : "sent", ff_buf_str(&where));
		if (event)
			fprintf(out, ", %s of %s", ff_notify_get(delivery->notice, "event"),
				ff_notify_get(delivery->notice, "run"));
		fprintf(out, ": %s\n", delivery->words);
		failures += failed(delivery);
		ff_buf_release(&where);
	}
	return failures;
}

int ff_notify_test(const struct ff_notify_opts *opts, const char *name, FILE *out,
		   struct ff_err *err)
{
	const struct ff_courier_opts how = {.notify = opts, .once = true, .unkept = true};
	const struct ff_config *config = opts->config;
	struct ff_courier *courier;
	size_t chosen = 0;
	int failures;

	for (size_t i = 0; i < config->receivers_len; i++)
		chosen += !name || !strcmp(config->receivers[i].name, name);
	if (!chosen && name)
		return ff_err_set(err, FF_ENOTFOUND, "%s: 'notify' has none named '%s'",
				  config->path, name);
	if (!chosen)
		return ff_err_set(err, FF_ENOTFOUND, "%s: it has no 'notify'", config->path);
	courier = ff_courier_new(&how);
	for (size_t i = 0; i < config->receivers_len; i++)
		if (!name || !strcmp(config->receivers[i].name, name))
			ff_courier_add(courier, ff_facts_sample(config), 0, &config->receivers[i]);
	ff_courier_finish(courier, FF_NEVER_US);
	failures = print_results(courier, false, out);
	ff_courier_free(courier);
	return failures;
}

int ff_notify_flush(const struct ff_notify_opts *opts, FILE *out, struct ff_err *err)
{
	const struct ff_courier_opts how = {.notify = opts, .once = true, .old_too = true};
	struct ff_courier *courier = ff_courier_new(&how);
	char *folder = ff_queue_folder(opts->home);
	struct ff_strv left = FF_STRV_INIT;
	int failures, rc;
	size_t tried;

	ff_courier_finish(courier, FF_NEVER_US);
	failures = print_results(courier, true, out);
	tried = ff_courier_len(courier);
	ff_courier_free(courier);
	rc = ff_queue_scan(folder, &left, err);
	if (!rc && left.len > (size_t)failures)
		fprintf(out, "%zu more %s queued, for other files or receivers, or being sent\n",
			left.len - (size_t)failures,
			left.len - (size_t)failures == 1 ? "is" : "are");
	else if (!rc && !tried)
		fprintf(out, "nothing is queued\n");
	ff_strv_release(&left);
	ff_free(folder);
	return rc < 0 ? rc : failures;
}

int ff_notify_list(const char *home, FILE *out, struct ff_err *err)
{
	char *folder = ff_queue_folder(home);
	struct ff_strv ids = FF_STRV_INIT;
	int rc = ff_queue_scan(folder, &ids, err), count = 0;

	for (size_t i = 0; i < ids.len && rc == 0; i++) {
		json_t *root = ff_queue_look(folder, ids.v[i]);
		const json_t *notice = json_object_get(root, "notice");
		time_t then = (time_t)json_integer_value(json_object_get(root, "queued"));
		struct ff_buf title = FF_BUF_INIT, why = FF_BUF_INIT;
		char when[32];
		struct tm tm;

		if (!root)
			continue;
		localtime_r(&then, &tm);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		ff_text_line(&title, ff_notify_get(notice, "title"), 0, "");
		ff_text_line(&why, ff_notify_get(root, "error"), 0, "");
		fprintf(out, "%s  %s  %s  %s  (%s)\n", when, ff_notify_get(root, "receiver"),
			ff_notify_get(notice, "event"), title.len ? ff_buf_str(&title) : "",
			why.len ? ff_buf_str(&why) : "");
		count++;
		ff_buf_release(&title);
		ff_buf_release(&why);
		json_decref(root);
	}
	ff_strv_release(&ids);
	ff_free(folder);
	return rc < 0 ? rc : count;
}

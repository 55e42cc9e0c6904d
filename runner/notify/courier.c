/* The thread that puts notices into the queue and sends them. The run's thread only hands documents
 * over. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "notify/private.h"
#include "report/thread.h"

enum {
	BACKOFF_MAX_S = 60,
	COMMAND_POLL_MS = 20,
	JITTER_PERCENT = 25,
};

struct news {
	struct news *next;
	json_t *document;
	unsigned whens;
	const struct ff_config_receiver *only;
};

struct ff_courier {
	struct ff_courier_opts opts;
	pthread_t thread;
	int wake[2];
	atomic_bool abandoned;

	pthread_mutex_t lock; /* for these */
	struct news *first, **last;
	bool closing; /* no news follows but the run's last */
	bool finishing;
	int64_t until_us;

	/* The thread's own, until it has ended. */
	struct ff_delivery **v;
	size_t len, cap;
	struct ff_post *post;
	char *folder, *file;
	bool looked_again; /* into the queue, at the end */
	unsigned random;
	json_t **targets; /* of each receiver, from the beginning on; NULL: it has none */
	int number;	  /* of the next notice */
};

/* --- words --- */

static void note_words(const struct ff_courier *courier, struct ff_delivery *delivery,
		       const char *words)
{
	struct ff_buf masked = FF_BUF_INIT;
	char *text;

	if (courier->opts.notify->mask)
		ff_mask_put(courier->opts.notify->mask, words, strlen(words), &masked);
	else
		ff_buf_addstr(&masked, words);
	text = ff_notify_text(masked.len ? ff_buf_str(&masked) : "", sizeof(delivery->words) - 8);
	for (char *at = text; *at; at++)
		*at = *at == '\n' || *at == '\t' ? ' ' : *at;
	snprintf(delivery->words, sizeof(delivery->words), "%s", text);
	ff_free(text);
	ff_buf_release(&masked);
}

/* --- new ones --- */

static struct ff_delivery *new_delivery(struct ff_courier *courier,
					const struct ff_config_receiver *receiver)
{
	struct ff_delivery *delivery = ff_xcalloc(1, sizeof(*delivery));

	if (courier->len == courier->cap) {
		courier->cap = courier->cap ? 2 * courier->cap : 16;
		courier->v = ff_xrealloc(courier->v, courier->cap * sizeof(*courier->v));
	}
	courier->v[courier->len++] = delivery;
	delivery->receiver = receiver;
	delivery->queued.fd = -1;
	return delivery;
}

static void put_into_queue(struct ff_courier *courier, struct ff_delivery *delivery)
{
	struct ff_err err = {0};
	json_t *root = json_object();

	json_object_set_new(root, "id", json_string(delivery->id));
	json_object_set_new(root, "receiver", json_string(delivery->receiver->name));
	json_object_set_new(root, "file", json_string(courier->file));
	json_object_set_new(root, "queued", json_integer(ff_clock_wall_us() / FF_SECOND_US));
	json_object_set_new(root, "error", json_string("it was not tried yet"));
	json_object_set(root, "target", delivery->target);
	json_object_set(root, "notice", delivery->notice);
	/* What can't be queued is sent all the same. */
	if (ff_queue_put(&delivery->queued, courier->folder, root, &err)) {
		char *text = ff_xasprintf("notify: not queued: %s", err.text);

		courier->opts.notify->complain(text);
		ff_free(text);
	}
}

static void add_one(struct ff_courier *courier, const struct news *news,
		    const struct ff_config_receiver *receiver)
{
	struct ff_delivery *delivery = new_delivery(courier, receiver);
	const struct ff_notice notice = {
		.whens = news->only ? 0 : news->whens,
		.number = courier->number,
		.receiver = (size_t)(receiver - courier->opts.notify->config->receivers)};
	struct ff_err err = {0};

	delivery->notice = ff_notice_for(news->document, receiver, &notice);
	delivery->id = ff_xstrdup(ff_notify_get(delivery->notice, "id"));
	delivery->target = json_incref(courier->targets[notice.receiver]);
	if (!delivery->target) /* once more, for the words */
		delivery->target =
			ff_request_target(receiver, courier->opts.notify->config->directory, &err);
	if (!delivery->target) {
		delivery->state = FF_DELIVERY_FAILED;
		note_words(courier, delivery, err.text);
	} else if (!courier->opts.unkept) {
		put_into_queue(courier, delivery);
	}
}

/* --- old ones --- */

static const struct ff_config_receiver *receiver_of(const struct ff_courier *courier,
						    const json_t *root)
{
	const struct ff_config *config = courier->opts.notify->config;

	if (strcmp(ff_notify_get(root, "file"), courier->file) != 0)
		return NULL;
	for (size_t i = 0; i < config->receivers_len; i++)
		if (!strcmp(config->receivers[i].name, ff_notify_get(root, "receiver")))
			return &config->receivers[i];
	return NULL;
}

/* Of this run: it was given up, and may have another try. NULL: it is not among ours. */
static struct ff_delivery *find(const struct ff_courier *courier, const char *id)
{
	for (size_t i = 0; i < courier->len; i++)
		if (!strcmp(courier->v[i]->id, id))
			return courier->v[i];
	return NULL;
}

static void take_old(struct ff_courier *courier, const char *id)
{
	struct ff_delivery *delivery = find(courier, id);
	const struct ff_config_receiver *receiver;
	struct ff_queued queued;

	if ((delivery && delivery->hopeless) || !ff_queue_take(&queued, courier->folder, id))
		return;
	receiver = receiver_of(courier, queued.root);
	if (ff_queue_is_old(queued.root)) {
		ff_queue_remove(&queued);
		return;
	}
	if (!receiver) {
		ff_queue_keep(&queued, NULL);
		return;
	}
	if (delivery) {
		delivery->queued = queued;
		delivery->old = true;
		delivery->state = FF_DELIVERY_WAITS;
		delivery->due_us = 0;
		return;
	}
	delivery = new_delivery(courier, receiver);
	delivery->queued = queued;
	delivery->old = true;
	delivery->id = ff_xstrdup(id);
	delivery->notice = json_incref(json_object_get(queued.root, "notice"));
	delivery->target = json_incref(json_object_get(queued.root, "target"));
}

static void take_queue(struct ff_courier *courier)
{
	struct ff_strv ids = FF_STRV_INIT;

	if (ff_queue_scan(courier->folder, &ids, NULL) == 0)
		for (size_t i = 0; i < ids.len && !atomic_load(&courier->abandoned); i++)
			take_old(courier, ids.v[i]);
	ff_strv_release(&ids);
}

/* --- news --- */

static void take_news(struct ff_courier *courier)
{
	const struct ff_config *config = courier->opts.notify->config;
	struct news *news, *next;
	bool closing;

	pthread_mutex_lock(&courier->lock);
	news = courier->first;
	courier->first = NULL;
	courier->last = &courier->first;
	closing = courier->closing;
	pthread_mutex_unlock(&courier->lock);
	/* What was given up hours ago may go now, and before the last word. */
	if (closing && courier->opts.old_too && !courier->opts.once && !courier->looked_again) {
		courier->looked_again = true;
		take_queue(courier);
	}
	for (; news; news = next) {
		next = news->next;
		courier->number++;
		for (size_t i = 0; i < config->receivers_len; i++) {
			const struct ff_config_receiver *receiver = &config->receivers[i];

			if (news->only ? news->only == receiver
				       : ff_notice_when(news->whens, receiver) != FF_NOTIFY_WHENS)
				add_one(courier, news, receiver);
		}
		json_decref(news->document);
		ff_free(news);
	}
}

/* --- sending --- */

static int64_t pause_before(struct ff_courier *courier, int tries)
{
	int64_t pause = FF_SECOND_US;
	unsigned spread;

	for (int i = 1; i < tries && pause < BACKOFF_MAX_S * FF_SECOND_US; i++)
		pause *= 2;
	if (pause > BACKOFF_MAX_S * FF_SECOND_US)
		pause = BACKOFF_MAX_S * FF_SECOND_US;
	/* Many runs that end at once do not come again at once. */
	courier->random = courier->random * 1103515245U + 12345U;
	spread = (courier->random >> 16) % (2 * JITTER_PERCENT + 1);
	return pause / 100 * (100 - JITTER_PERCENT + (int64_t)spread);
}

static void ended(struct ff_courier *courier, struct ff_delivery *delivery,
		  const struct ff_told *outcome)
{
	int64_t pause;

	ff_request_release(&delivery->request);
	note_words(courier, delivery, outcome->words);
	if (outcome->sent) {
		delivery->state = FF_DELIVERY_SENT;
		ff_queue_remove(&delivery->queued);
		return;
	}
	/* One that is old is not to stand in the way of newer ones. */
	if (!outcome->again || courier->opts.once || delivery->old ||
	    delivery->tries > delivery->receiver->retries) {
		delivery->state = FF_DELIVERY_FAILED;
		delivery->hopeless = !outcome->again;
		ff_queue_keep(&delivery->queued, delivery->words);
		return;
	}
	pause = pause_before(courier, delivery->tries);
	delivery->state = FF_DELIVERY_WAITS;
	delivery->due_us = ff_clock_us() + (outcome->after_us > pause ? outcome->after_us : pause);
}

static void on_posted(void *ctx, void *what, const struct ff_told *outcome)
{
	ended(ctx, what, outcome);
}

static int go(struct ff_courier *courier, struct ff_delivery *delivery, struct ff_err *err)
{
	if (ff_request_make(&delivery->request, delivery->receiver, delivery->notice,
			    delivery->target, err))
		return err->code;
	if (delivery->request.kind == FF_REQUEST_COMMAND) {
		delivery->command = ff_told_command_start(
			&delivery->request, courier->opts.notify->config->directory, err);
		return delivery->command ? 0 : FF_ESYS;
	}
	if (!courier->post)
		courier->post = ff_post_new(on_posted, courier, err);
	if (!courier->post)
		return FF_ECONFIG;
	return ff_post_add(courier->post, &delivery->request, delivery, err);
}

/* A receiver hears in order: one at a time. */
static bool is_busy(const struct ff_courier *courier, size_t before)
{
	for (size_t i = 0; i < before; i++)
		if (courier->v[i]->receiver == courier->v[before]->receiver &&
		    (courier->v[i]->state == FF_DELIVERY_GOES ||
		     courier->v[i]->state == FF_DELIVERY_WAITS))
			return true;
	return false;
}

static void begin_due(struct ff_courier *courier)
{
	for (size_t i = 0; i < courier->len; i++) {
		struct ff_delivery *delivery = courier->v[i];
		struct ff_err err = {0};

		if (delivery->state != FF_DELIVERY_WAITS || delivery->due_us > ff_clock_us() ||
		    is_busy(courier, i))
			continue;
		delivery->tries++;
		delivery->state = FF_DELIVERY_GOES;
		if (go(courier, delivery, &err)) {
			struct ff_told outcome = {0};

			snprintf(outcome.words, sizeof(outcome.words), "%.500s", err.text);
			ended(courier, delivery, &outcome);
		}
	}
}

static void look_after_commands(struct ff_courier *courier)
{
	for (size_t i = 0; i < courier->len; i++) {
		struct ff_delivery *delivery = courier->v[i];
		struct ff_told outcome;

		if (!delivery->command ||
		    !ff_told_command_done(delivery->command, ff_clock_us(), &outcome))
			continue;
		ff_told_command_free(delivery->command);
		delivery->command = NULL;
		ended(courier, delivery, &outcome);
	}
}

/* --- the loop --- */

/* When something is to be done next; `goes`: something is being sent. */
static int64_t next_due(const struct ff_courier *courier, bool *goes, bool *commands)
{
	int64_t due = FF_NEVER_US;

	*goes = *commands = false;
	for (size_t i = 0; i < courier->len; i++) {
		const struct ff_delivery *delivery = courier->v[i];

		*goes |= delivery->state == FF_DELIVERY_GOES;
		*commands |= delivery->command != NULL;
		if (delivery->state == FF_DELIVERY_WAITS && !is_busy(courier, i) &&
		    delivery->due_us < due)
			due = delivery->due_us;
	}
	return due;
}

static void wait_for_more(struct ff_courier *courier, int64_t until_us, bool commands)
{
	struct pollfd *fds = ff_xcalloc(courier->len + 1, sizeof(*fds));
	int64_t now = ff_clock_us(), left = until_us > now ? until_us - now : 0;
	int wait_ms = left > 60000000 ? 60000 : (int)((left + 999) / 1000);
	unsigned len = 1;
	char bytes[64];

	if (commands && wait_ms > COMMAND_POLL_MS)
		wait_ms = COMMAND_POLL_MS;
	fds[0] = (struct pollfd){.fd = courier->wake[0], .events = POLLIN};
	for (size_t i = 0; i < courier->len; i++)
		if (courier->v[i]->command && ff_told_command_fd(courier->v[i]->command) >= 0)
			fds[len++] = (struct pollfd){
				.fd = ff_told_command_fd(courier->v[i]->command), .events = POLLIN};
	if (courier->post)
		ff_post_work(courier->post, fds, len, wait_ms);
	else
		(void)poll(fds, len, wait_ms);
	while (read(courier->wake[0], bytes, sizeof(bytes)) > 0)
		;
	ff_free(fds);
}

/* Whether there is nothing more to wait for. */
static bool is_over(struct ff_courier *courier, int64_t due, bool goes, int64_t *until_us)
{
	bool over;

	pthread_mutex_lock(&courier->lock);
	*until_us = courier->finishing ? courier->until_us : FF_NEVER_US;
	over = courier->finishing && !courier->first &&
	       (ff_clock_us() >= courier->until_us || (!goes && due >= courier->until_us));
	pthread_mutex_unlock(&courier->lock);
	return over || atomic_load(&courier->abandoned);
}

/* What was not sent stays, with what is known of why. */
static void give_up(struct ff_courier *courier)
{
	for (size_t i = 0; i < courier->len; i++) {
		struct ff_delivery *delivery = courier->v[i];

		if (delivery->state != FF_DELIVERY_WAITS && delivery->state != FF_DELIVERY_GOES)
			continue;
		if (!*delivery->words || delivery->state == FF_DELIVERY_GOES)
			note_words(courier, delivery,
				   delivery->state == FF_DELIVERY_GOES
					   ? "it had not answered when the time was over"
					   : "there was no time for it");
		ff_told_command_free(delivery->command);
		delivery->command = NULL;
		delivery->state = FF_DELIVERY_FAILED;
	}
	ff_post_free(courier->post);
	courier->post = NULL;
	for (size_t i = 0; i < courier->len; i++) {
		ff_request_release(&courier->v[i]->request);
		ff_queue_keep(&courier->v[i]->queued, courier->v[i]->words);
	}
}

/* HEAD may be another one when the run has ended. */
static void find_targets(struct ff_courier *courier)
{
	const struct ff_config *config = courier->opts.notify->config;

	for (size_t i = 0; i < config->receivers_len; i++)
		courier->targets[i] =
			ff_request_target(&config->receivers[i], config->directory, NULL);
}

static void *work(void *ctx)
{
	struct ff_courier *courier = ctx;

	find_targets(courier);
	if (courier->opts.old_too)
		take_queue(courier);
	for (;;) {
		int64_t until_us, due;
		bool goes, commands;

		take_news(courier);
		begin_due(courier);
		due = next_due(courier, &goes, &commands);
		if (is_over(courier, due, goes, &until_us))
			break;
		wait_for_more(courier, due < until_us ? due : until_us, commands);
		look_after_commands(courier);
	}
	return NULL;
}

/* --- from outside --- */

struct ff_courier *ff_courier_new(const struct ff_courier_opts *opts)
{
	struct ff_courier *courier = ff_xcalloc(1, sizeof(*courier));
	int rc;

	courier->opts = *opts;
	courier->last = &courier->first;
	courier->random = (unsigned)(ff_clock_wall_us() ^ getpid());
	courier->folder = ff_queue_folder(opts->notify->home);
	courier->file = ff_notify_file(opts->notify->config);
	courier->targets =
		ff_xcalloc(opts->notify->config->receivers_len + 1, sizeof(*courier->targets));
	pthread_mutex_init(&courier->lock, NULL);
	if (pipe2(courier->wake, O_CLOEXEC | O_NONBLOCK)) {
		courier->wake[0] = courier->wake[1] = -1;
		rc = errno;
	} else {
		rc = ff_thread_start(&courier->thread, work, courier);
	}
	if (rc) {
		char *text = ff_xasprintf("notify: nobody will be told: %s", strerror(rc));

		opts->notify->complain(text);
		ff_free(text);
		if (courier->wake[1] >= 0) {
			close(courier->wake[0]);
			close(courier->wake[1]);
		}
		courier->wake[0] = courier->wake[1] = -1;
	}
	return courier;
}

static void wake(struct ff_courier *courier)
{
	/* A full pipe wakes as well. */
	if (write(courier->wake[1], "", 1) < 0)
		return;
}

void ff_courier_add(struct ff_courier *courier, json_t *document, unsigned whens,
		    const struct ff_config_receiver *only)
{
	struct news *news = ff_xcalloc(1, sizeof(*news));

	*news = (struct news){.document = document, .whens = whens, .only = only};
	pthread_mutex_lock(&courier->lock);
	*courier->last = news;
	courier->last = &news->next;
	pthread_mutex_unlock(&courier->lock);
	wake(courier);
}

void ff_courier_close(struct ff_courier *courier)
{
	pthread_mutex_lock(&courier->lock);
	courier->closing = true;
	pthread_mutex_unlock(&courier->lock);
}

void ff_courier_finish(struct ff_courier *courier, int64_t wait_us)
{
	int64_t now = ff_clock_us();

	if (courier->wake[1] < 0)
		return;
	ff_courier_close(courier);
	pthread_mutex_lock(&courier->lock);
	courier->finishing = true;
	courier->until_us = wait_us < FF_NEVER_US - now ? now + wait_us : FF_NEVER_US;
	pthread_mutex_unlock(&courier->lock);
	wake(courier);
	pthread_join(courier->thread, NULL);
	close(courier->wake[0]);
	close(courier->wake[1]);
	courier->wake[0] = courier->wake[1] = -1;
	/* The last word may have come when there was no time left: it is queued, as the others are.
	 */
	courier->looked_again = true;
	take_news(courier);
	give_up(courier);
}

void ff_courier_abandon(struct ff_courier *courier)
{
	int errnum = errno;

	atomic_store(&courier->abandoned, true);
	wake(courier);
	errno = errnum;
}

size_t ff_courier_len(const struct ff_courier *courier)
{
	return courier->len;
}

const struct ff_delivery *ff_courier_at(const struct ff_courier *courier, size_t index)
{
	return courier->v[index];
}

void ff_courier_free(struct ff_courier *courier)
{
	/* Nobody has finished it: it ends now. */
	if (courier->wake[1] >= 0) {
		ff_courier_abandon(courier);
		ff_courier_finish(courier, 0);
	}
	for (size_t i = 0; i < courier->len; i++) {
		struct ff_delivery *delivery = courier->v[i];

		json_decref(delivery->notice);
		json_decref(delivery->target);
		ff_free(delivery->id);
		ff_free(delivery);
	}
	while (courier->first) {
		struct news *next = courier->first->next;

		json_decref(courier->first->document);
		ff_free(courier->first);
		courier->first = next;
	}
	for (size_t i = 0; i < courier->opts.notify->config->receivers_len; i++)
		json_decref(courier->targets[i]);
	pthread_mutex_destroy(&courier->lock);
	ff_free(courier->targets);
	ff_free(courier->v);
	ff_free(courier->folder);
	ff_free(courier->file);
	ff_free(courier);
}

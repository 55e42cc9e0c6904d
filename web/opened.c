#include "web/opened.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "event/going.h"
#include "event/reader.h"
#include "report/file.h"
#include "report/thread.h"

enum {
	AT_ONCE = 1000,	      /* events, between which others may look */
	LOOK_MS = 400,	      /* how often the end of a journal is looked at, */
	LOOK_ENDED_MS = 2000, /* of one that only a run that goes on with it would make longer */
	NAP_MS = 5,
	PATIENCE_MS = 300,    /* that the first look waits for a journal's end */
	UNSEEN_US = 10000000, /* after which nobody seems to look any more */
	KEPT = 4,	      /* answers to queries */
};

struct answer {
	char *key;
	uint64_t seq, used;
	struct ff_rows_found found;
};

struct ff_opened {
	char *journal;
	struct ff_reader *reader;
	struct ff_model model;
	struct ff_details details;
	struct ff_err err; /* why it can't be read on */
	struct answer answers[KEPT];
	uint64_t asked;
	bool caught_up;	 /* has been at the journal's end */
	bool ended;	 /* was there, and no more will come */
	bool hurry;	 /* the next look waits for the end: it has been read from the beginning, or
			  * was left alone for long */
	bool asleep;	 /* until somebody looks again */
	int64_t seen_us; /* when somebody looked last */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news; /* it is to be ended, or is looked at again */
	/* Who waits for the lock: the thread, which is quick to take it again, lets them pass. */
	atomic_int waiting;
	atomic_bool ending;
};

static void told(void *ctx, uint32_t row, const struct ff_case *c)
{
	ff_details_add(&((struct ff_opened *)ctx)->details, row, c);
}

/* Not beside the journal: nothing is written there. */
static int scratch(struct ff_err *err)
{
	const char *tmp = getenv("TMPDIR");
	char *path = ff_xasprintf("%s/farflung", tmp && *tmp ? tmp : "/tmp");
	int fd = ff_report_scratch(path, err);

	ff_free(path);
	return fd;
}

/* --- the thread --- */

/* Some events; false: there are no more by now. */
static bool take_some(struct ff_opened *run)
{
	const struct ff_event *event;
	uint64_t at, size;
	int rc = 1;

	for (int i = 0; i < AT_ONCE && rc == 1; i++) {
		rc = ff_reader_next(run->reader, &event, &run->err);
		if (rc == 1)
			ff_model_take(&run->model, event, NULL);
	}
	ff_reader_place(run->reader, &at, &size);
	run->model.read = rc == 1 && size > 0 ? (uint32_t)(at * 999 / size) : 1000;
	return rc == 1;
}

/* With the lock; all that there is has been taken. Whoever ended it may have written before. */
static void look_for_end(struct ff_opened *run)
{
	run->caught_up = true;
	run->model.going = !run->model.over && ff_run_is_going(run->journal);
	run->ended = run->model.over || (!run->model.going && !take_some(run));
}

/* With the lock, until it is time to look at the journal again: what nobody sees costs nothing. */
static void rest(struct ff_opened *run)
{
	struct timespec until = ff_thread_in_ms(run->ended ? LOOK_ENDED_MS : LOOK_MS);

	pthread_cond_timedwait(&run->news, &run->lock, &until);
	while (!run->ending && ff_clock_us() - run->seen_us > UNSEEN_US) {
		run->caught_up = false;
		run->hurry = run->asleep = true;
		pthread_cond_wait(&run->news, &run->lock);
	}
	run->asleep = false;
}

static void *follow(void *ctx)
{
	struct ff_opened *run = ctx;

	/* The run may be this process's own. */
	ff_thread_yield_to_others();
	pthread_mutex_lock(&run->lock);
	while (!run->ending && run->err.code == 0) {
		if (take_some(run)) {
			pthread_mutex_unlock(&run->lock);
			while (run->waiting > 0 && !run->ending)
				sched_yield();
			pthread_mutex_lock(&run->lock);
			continue;
		}
		if (run->err.code == 0)
			look_for_end(run);
		if (!run->ending && run->err.code == 0)
			rest(run);
	}
	pthread_mutex_unlock(&run->lock);
	return NULL;
}

/* --- life --- */

static void release(struct ff_opened *run)
{
	ff_reader_free(run->reader);
	ff_model_release(&run->model);
	ff_details_release(&run->details);
	for (int i = 0; i < KEPT; i++) {
		ff_free(run->answers[i].key);
		ff_rows_release(&run->answers[i].found);
	}
	pthread_mutex_destroy(&run->lock);
	pthread_cond_destroy(&run->news);
	ff_free(run->journal);
	ff_free(run);
}

struct ff_opened *ff_opened_new(const char *journal, struct ff_err *err)
{
	struct ff_opened *run;
	struct ff_writer_opts writer = {.fd = -1};
	int errnum;

	if (access(journal, F_OK) < 0 && errno == ENOENT) {
		ff_err_set(err, FF_ENOTFOUND, "there is no such run");
		return NULL;
	}
	writer.fd = scratch(err);
	if (writer.fd < 0)
		return NULL;
	run = ff_xcalloc(1, sizeof(*run));
	run->journal = ff_xstrdup(journal);
	pthread_mutex_init(&run->lock, NULL);
	ff_thread_cond_init(&run->news);
	run->hurry = true;
	run->seen_us = ff_clock_us();
	ff_model_init(&run->model);
	run->model.told = told;
	run->model.ctx = run;
	ff_details_init(&run->details, &writer);
	run->reader = ff_reader_new(run->journal, err);
	errnum = run->reader ? ff_thread_start(&run->thread, follow, run) : 0;
	if (run->reader && errnum == 0)
		return run;
	if (errnum)
		ff_err_sys(err, errnum, "a thread for %s", journal);
	release(run);
	return NULL;
}

void ff_opened_free(struct ff_opened *run)
{
	if (!run)
		return;
	run->ending = true;
	pthread_mutex_lock(&run->lock);
	pthread_cond_broadcast(&run->news);
	pthread_mutex_unlock(&run->lock);
	pthread_join(run->thread, NULL);
	release(run);
}

/* --- looking --- */

static void take_lock(struct ff_opened *run)
{
	run->waiting++;
	pthread_mutex_lock(&run->lock);
	run->waiting--;
	run->seen_us = ff_clock_us();
	if (run->asleep)
		pthread_cond_broadcast(&run->news);
}

/* With the lock, which is given back if it can't be read on. */
static int check(struct ff_opened *run, struct ff_err *err)
{
	int rc;

	if (run->err.code == 0)
		return 0;
	rc = ff_err_set(err, run->err.code, "%s", run->err.text);
	pthread_mutex_unlock(&run->lock);
	return rc;
}

int ff_opened_lock(struct ff_opened *run, struct ff_err *err)
{
	const struct timespec nap = {.tv_nsec = NAP_MS * 1000000};

	take_lock(run);
	/* Not on the condition: its end would have to wait for the lock like anybody else. */
	for (int i = 0;
	     i < PATIENCE_MS / NAP_MS && run->hurry && !run->caught_up && run->err.code == 0; i++) {
		pthread_mutex_unlock(&run->lock);
		nanosleep(&nap, NULL);
		take_lock(run);
	}
	run->hurry = false;
	run->asked++;
	run->model.going = !run->model.over && ff_run_is_going(run->journal);
	/* While it goes on, what came since the thread's last look can wait for its next one: who
	 * looks at the same time gets the same answers. */
	while (run->caught_up && !run->model.going && run->err.code == 0 && take_some(run))
		;
	return check(run, err);
}

int ff_opened_peek(struct ff_opened *run, bool now, struct ff_opened_place *place,
		   struct ff_err *err)
{
	int rc;

	take_lock(run);
	if (now && run->caught_up) {
		while (run->err.code == 0 && take_some(run))
			;
		look_for_end(run);
	}
	*place = (struct ff_opened_place){.seq = run->model.seq,
					  .over = run->caught_up && run->ended &&
						  run->model.read == 1000,
					  .behind = !run->caught_up};
	rc = check(run, err);
	if (rc == 0)
		pthread_mutex_unlock(&run->lock);
	return rc;
}

void ff_opened_unlock(struct ff_opened *run)
{
	pthread_mutex_unlock(&run->lock);
}

const struct ff_model *ff_opened_model(const struct ff_opened *run)
{
	return &run->model;
}

struct ff_details *ff_opened_details(struct ff_opened *run)
{
	return &run->details;
}

const struct ff_rows_found *ff_opened_find(struct ff_opened *run, const struct ff_rows_query *query,
					   const char *key)
{
	struct answer *answer = &run->answers[0];

	for (int i = 0; i < KEPT; i++) {
		struct answer *at = &run->answers[i];

		if (at->key && strcmp(at->key, key) == 0) {
			answer = at;
			break;
		}
		if (at->used < answer->used)
			answer = at;
	}
	answer->used = run->asked;
	if (answer->key && answer->seq == run->model.seq && strcmp(answer->key, key) == 0)
		return &answer->found;
	ff_free(answer->key);
	ff_rows_release(&answer->found);
	answer->key = ff_xstrdup(key);
	answer->seq = run->model.seq;
	ff_rows_find(&run->model, query, &answer->found);
	return &answer->found;
}

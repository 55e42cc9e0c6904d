/* Subscribers and copies of events: all of them, once, in order, whoever comes and goes meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "event/bus.h"

#include "every_event.h"

struct here {
	char dir[32];
	struct ff_journal *journal;
	struct ff_bus *bus;
	uint64_t seq;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	struct here *here = calloc(1, sizeof(*here));
	struct ff_err err = {0};

	if (!here)
		return -1;
	strcpy(here->dir, "/tmp/ff-bus-XXXXXX");
	if (!mkdtemp(here->dir))
		return -1;
	here->journal = ff_journal_new(here->dir, &err);
	if (!here->journal)
		return -1;
	here->bus = ff_bus_new(here->journal);
	*state = here;
	return 0;
}

static int teardown(void **state)
{
	struct here *here = *state;

	ff_bus_free(here->bus);
	ff_journal_free(here->journal);
	nftw(here->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(here);
	return 0;
}

static struct ff_event notice(uint64_t seq)
{
	static char text[32];
	struct ff_event event = {.seq = seq, .kind = FF_EVENT_NOTICE};

	snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
	event.u.notice.level = "note";
	event.u.notice.text = text;
	return event;
}

static void append(struct here *here, uint64_t seq)
{
	struct ff_event event = notice(seq);

	ff_journal_append(here->journal, &event);
}

/* One more event, as a run tells it. */
static void tell(struct here *here)
{
	struct ff_event event = notice(++here->seq);

	ff_journal_append(here->journal, &event);
	ff_bus_publish(here->bus, &event);
}

struct listener {
	struct here *here;
	struct ff_subscription *sub;
	uint64_t first, last, count, until;
	struct listener *brings; /* subscribes this one at event `until` */
	bool tells;		 /* publishes one more at event `until` */
	bool keeps;
	struct ff_event_ref *kept[8];
	char text[256];
};

static void listen(struct ff_event_ref *event, void *ctx);

static void subscribe(struct listener *listener, uint64_t from)
{
	struct ff_err err = {0};

	listener->sub = ff_bus_subscribe(listener->here->bus, from, listen, listener, &err);
	if (!listener->sub)
		fail_msg("%s", err.text);
}

static void listen(struct ff_event_ref *event, void *ctx)
{
	struct listener *l = ctx;

	if (l->count++ == 0)
		l->first = event->event->seq;
	else if (event->event->seq != l->last + 1 && event->event->u.notice.level[0] != 'e')
		fail_msg("%llu after %llu", (unsigned long long)event->event->seq,
			 (unsigned long long)l->last);
	l->last = event->event->seq;
	snprintf(l->text, sizeof(l->text), "%s", event->event->u.notice.text);
	if (l->keeps)
		l->kept[l->last % 8] = ff_event_keep(event);
	if (l->last != l->until)
		return;
	if (l->brings)
		subscribe(l->brings, 1);
	else if (l->tells)
		tell(l->here);
	else
		ff_bus_unsubscribe(l->here->bus, l->sub);
}

static void test_live_and_late(void **state)
{
	struct here *here = *state;
	struct listener all = {.here = here}, late = {.here = here}, from = {.here = here},
			future = {.here = here};

	subscribe(&all, 0);
	subscribe(&future, 8);
	for (int i = 0; i < 5; i++)
		tell(here);
	subscribe(&late, 1);
	subscribe(&from, 4);
	assert_true(late.count == 5 && late.first == 1);
	assert_true(from.count == 2 && from.first == 4);
	for (int i = 0; i < 5; i++)
		tell(here);
	assert_true(all.count == 10 && all.first == 1 && all.last == 10);
	assert_true(late.count == 10 && late.last == 10);
	assert_true(from.count == 7 && from.last == 10);
	assert_true(future.count == 3 && future.first == 8);
	assert_false(ff_bus_pump(here->bus));
}

/* Events of one decision are in the journal before the first of them is published. */
static void test_ahead(void **state)
{
	struct here *here = *state;
	struct listener brought = {.here = here},
			brings = {.here = here, .until = 2, .brings = &brought};

	subscribe(&brings, 1);
	for (uint64_t seq = 1; seq <= 3; seq++)
		append(here, seq);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		struct ff_event event = notice(seq);

		ff_bus_publish(here->bus, &event);
		assert_true(brought.last == (seq < 2 ? 0 : seq));
	}
	assert_true(brought.count == 3 && brought.first == 1);
	assert_true(brings.count == 3);
}

/* A long way to catch up goes in steps, while more comes. */
static void test_steps(void **state)
{
	struct here *here = *state;
	struct listener late = {.here = here};
	int steps = 0;

	for (int i = 0; i < 10 * FF_BUS_STEP; i++)
		tell(here);
	subscribe(&late, 1);
	assert_true(late.count == FF_BUS_STEP);
	tell(here);
	assert_true(late.count == 2 * FF_BUS_STEP);
	while (ff_bus_pump(here->bus))
		steps++;
	assert_in_range(steps, 7, 9);
	assert_true(late.last == here->seq && late.first == 1);
	tell(here);
	assert_true(late.last == here->seq && late.count == here->seq);
}

static void test_unsubscribe(void **state)
{
	struct here *here = *state;
	struct listener itself = {.here = here, .until = 2}, other = {.here = here},
			behind = {.here = here, .until = 2 * FF_BUS_STEP - 5};

	subscribe(&itself, 1);
	subscribe(&other, 1);
	for (int i = 0; i < 3 * FF_BUS_STEP; i++)
		tell(here);
	assert_true(itself.count == 2);
	subscribe(&behind, 1);
	while (ff_bus_pump(here->bus))
		;
	assert_true(behind.count == behind.until);
	ff_bus_unsubscribe(here->bus, other.sub);
	tell(here);
	assert_true(other.last == here->seq - 1);
}

/* What is published from within a callback comes after the present event, for everybody. */
static void test_nested(void **state)
{
	struct here *here = *state;
	struct listener before = {.here = here}, tells = {.here = here, .until = 2, .tells = true},
			after = {.here = here};

	subscribe(&before, 1);
	subscribe(&tells, 1);
	subscribe(&after, 1);
	tell(here);
	tell(here);
	assert_true(here->seq == 3);
	assert_true(before.last == 3 && tells.last == 3 && after.last == 3);
}

static void test_without_journal(void **state)
{
	struct ff_bus *bus = ff_bus_new(NULL);
	struct here here = {.bus = bus};
	struct listener listener = {.here = &here};
	struct ff_event event = notice(1);
	struct ff_err err = {0};

	subscribe(&listener, 1);
	ff_bus_publish(bus, &event);
	assert_true(listener.count == 1);
	assert_null(ff_bus_subscribe(bus, 1, listen, &listener, &err));
	assert_int_equal(err.code, FF_ENOTFOUND);
	assert_false(ff_bus_pump(bus));
	ff_bus_free(bus);
	ff_bus_free(NULL);
}

/* The disk was full: who comes late hears that something is missing, and goes on from here. */
static void test_incomplete(void **state)
{
	struct here *here = *state;
	struct listener live = {.here = here}, late = {.here = here};
	struct rlimit old, small;
	struct ff_err err = {0};

	subscribe(&live, 1);
	tell(here);
	assert_int_equal(ff_journal_flush(here->journal, &err), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 20;
	setrlimit(RLIMIT_FSIZE, &small);
	tell(here);
	tell(here);
	subscribe(&late, 1);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_true(late.count == 2 && late.last == 3);
	assert_non_null(strstr(late.text, "events 2 to 3 can't be read back: "));
	tell(here);
	assert_true(late.count == 3 && late.last == 4);
	assert_true(live.count == 4);
	/* It is still the next flush that tells it. */
	assert_int_equal(ff_journal_flush(here->journal, &err), FF_ESYS);
}

static void test_keep(void **state)
{
	struct here *here = *state;
	struct listener a = {.here = here, .keeps = true}, b = {.here = here, .keeps = true};

	subscribe(&a, 1);
	subscribe(&b, 1);
	tell(here);
	tell(here);
	assert_ptr_equal(a.kept[1], b.kept[1]); /* one copy for all */
	assert_ptr_not_equal(a.kept[1], a.kept[2]);
	ff_event_unref(b.kept[1]);
	ff_event_unref(b.kept[2]);
	assert_string_equal(a.kept[1]->event->u.notice.text, "1");
	assert_ptr_equal(ff_event_keep(a.kept[1]), a.kept[1]);
	ff_event_unref(a.kept[1]);
	ff_event_unref(a.kept[1]);
	ff_event_unref(a.kept[2]);
	ff_event_unref(NULL);
}

static void test_copy_every_kind(void **state)
{
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
		struct ff_event event = every_event((enum ff_event_kind)kind),
				empty = {.kind = (enum ff_event_kind)kind};
		struct ff_event_ref *copy = ff_event_copy(&event);

		same_event(&event, copy->event);
		if (event.job)
			assert_ptr_not_equal(event.job, copy->event->job);
		if (kind == FF_EVENT_UNIT_FINISHED)
			assert_ptr_not_equal(event.u.unit_finished.result->sections[0].text,
					     copy->event->u.unit_finished.result->sections[0].text);
		ff_event_unref(copy);
		copy = ff_event_copy(&empty);
		assert_int_equal(copy->event->kind, kind);
		ff_event_unref(copy);
	}
}

static void *drop_many(void *ctx)
{
	struct ff_event_ref *ref = ctx;

	for (int i = 0; i < 10000; i++)
		ff_event_unref(ff_event_keep(ref));
	ff_event_unref(ref);
	return NULL;
}

static void test_threads(void **state)
{
	struct ff_event event = notice(1);
	struct ff_event_ref *ref = ff_event_copy(&event);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, drop_many, ff_event_keep(ref)),
				 0);
	ff_event_unref(ref);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_live_and_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unsubscribe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
		cmocka_unit_test(test_without_journal),
		cmocka_unit_test_setup_teardown(test_incomplete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keep, setup, teardown),
		cmocka_unit_test(test_copy_every_kind),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

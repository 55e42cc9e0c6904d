/* Runs on a loop that is lent: several at once, each with subscribers who come when they like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/dispatch.h"
#include "io/loop_private.h"

enum { EVENTS_MAX = 4096 };

/* Who listens, and how often it got each event. */
struct listener {
	struct ff_subscription *subscription;
	uint32_t times[EVENTS_MAX];
	uint64_t last;
	bool over;
};

struct one {
	char dir[32];
	struct ff_config config;
	struct ff_inventory inventory;
	struct ff_plan plan;
	struct ff_journal *journal;
	struct ff_run *run;
	struct listener first, second;
	uint32_t finished; /* units, as the first listener hears */
	uint32_t join_at;  /* so many: then the second one joins */
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void write_file(const struct one *one, const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", one->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void hear(struct listener *listener, const struct ff_event *event)
{
	assert_true(event->seq < EVENTS_MAX);
	assert_true(event->seq == listener->last + 1);
	listener->times[event->seq]++;
	listener->last = event->seq;
	listener->over |= event->kind == FF_EVENT_RUN_FINISHED;
}

static void on_second(struct ff_event_ref *ref, void *ctx)
{
	struct one *one = ctx;

	hear(&one->second, ref->event);
}

/* The second one joins from inside a call, in the middle of the run, and wants all of it. */
static void on_first(struct ff_event_ref *ref, void *ctx)
{
	struct one *one = ctx;

	hear(&one->first, ref->event);
	one->finished += ref->event->kind == FF_EVENT_UNIT_FINISHED;
	if (one->join_at > 0 && one->finished == one->join_at && !one->second.subscription)
		one->second.subscription =
			ff_bus_subscribe(ff_run_bus(one->run), 1, on_second, one, NULL);
}

static struct one *begin(struct ff_loop *loop, const char *yaml)
{
	struct one *one = ff_xcalloc(1, sizeof(*one));
	struct ff_run_opts opts = {.config = &one->config,
				   .inventory = &one->inventory,
				   .plan = &one->plan,
				   .command_line = "test",
				   .loop = loop};
	struct ff_err err = {0};
	char path[64];

	strcpy(one->dir, "/tmp/ff-run-XXXXXX");
	assert_non_null(mkdtemp(one->dir));
	write_file(one, "farflung.yaml", yaml);
	snprintf(path, sizeof(path), "%s/farflung.yaml", one->dir);
	if (ff_config_load(&one->config, path, &err) < 0 ||
	    ff_inventory_build(&one->inventory, &one->config, &err) < 0 ||
	    ff_plan_build(&one->plan, &one->config, &one->inventory, NULL, &err) < 0)
		fail_msg("%s", err.text);
	one->journal = ff_journal_new(one->dir, &err);
	assert_non_null(one->journal);
	opts.journal = one->journal;
	one->run = ff_run_start(&opts, &err);
	assert_non_null(one->run);
	one->first.subscription = ff_bus_subscribe(ff_run_bus(one->run), 1, on_first, one, &err);
	assert_non_null(one->first.subscription);
	return one;
}

static int until_over(struct ff_loop *loop, struct one *one)
{
	int code = -1;

	while (!ff_run_over(one->run, &code))
		assert_int_equal(ff_loop_run_once(loop, FF_NEVER_US), 0);
	return code;
}

static void until_units(struct ff_loop *loop, const struct one *one, uint32_t units)
{
	while (one->finished < units)
		assert_int_equal(ff_loop_run_once(loop, FF_NEVER_US), 0);
}

static void check_heard(const struct listener *listener)
{
	assert_true(listener->over);
	for (uint64_t seq = 1; seq <= listener->last; seq++)
		assert_int_equal(listener->times[seq], 1);
}

static void release(struct one *one)
{
	ff_run_end(one->run);
	ff_journal_free(one->journal);
	ff_plan_release(&one->plan);
	ff_inventory_release(&one->inventory);
	ff_config_release(&one->config);
	nftw(one->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ff_free(one);
}

static void end(struct one *one)
{
	while (ff_bus_pump(ff_run_bus(one->run)))
		;
	check_heard(&one->first);
	if (one->join_at > 0) {
		check_heard(&one->second);
		assert_true(one->second.last == one->first.last);
	}
	release(one);
}

static const char short_ones[] = "inventory: [3*popen]\n"
				 "jobs:\n"
				 "  many: {run: 'echo {index}', count: 40}\n"
				 "  then: {run: 'exit 3', needs: many}\n";

/* Two at once: each has its own events, and each listener has them all, once and in order. */
static void test_two_runs_on_one_loop(void **state)
{
	struct ff_loop loop;
	struct one *a, *b;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	a = begin(&loop, short_ones);
	b = begin(&loop, short_ones);
	a->join_at = 15;
	b->join_at = 1;
	assert_int_equal(until_over(&loop, a), FF_EXIT_FAILED);
	assert_int_equal(until_over(&loop, b), FF_EXIT_FAILED);
	assert_int_equal(a->finished, 41);
	assert_int_equal(b->finished, 41);
	end(a);
	end(b);
	assert_int_equal(ff_loop_release(&loop), 0);
}

static const char long_one[] =
	"inventory: [2*popen]\n"
	"jobs:\n"
	"  quick: {run: 'true', count: 3}\n"
	"  waits: {run: 'until test -e go; do sleep 0.02; done', needs: quick}\n";

/* One comes to its end, and goes, while the other is at work; a third one begins. */
static void test_one_ends_while_another_goes_on(void **state)
{
	struct ff_loop loop;
	struct one *a, *b, *c;
	int code;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	a = begin(&loop, long_one);
	b = begin(&loop, short_ones);
	a->join_at = 2;
	until_units(&loop, a, 3);
	assert_int_equal(until_over(&loop, b), FF_EXIT_FAILED);
	end(b);
	c = begin(&loop, short_ones);
	c->join_at = 30;
	assert_int_equal(until_over(&loop, c), FF_EXIT_FAILED);
	assert_false(ff_run_over(a->run, &code));
	write_file(a, "go", "");
	assert_int_equal(until_over(&loop, a), FF_EXIT_OK);
	assert_int_equal(a->finished, 4);
	end(c);
	end(a);
	assert_int_equal(ff_loop_release(&loop), 0);
}

/* An interrupt is one run's; the loop's owner handles signals as it likes. */
static void test_an_interrupt_is_one_runs(void **state)
{
	struct ff_loop loop;
	struct one *a, *b;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	a = begin(&loop, long_one);
	b = begin(&loop, long_one);
	until_units(&loop, a, 3);
	until_units(&loop, b, 3);
	ff_run_interrupt(a->run);
	ff_run_interrupt(a->run);
	assert_int_equal(until_over(&loop, a), FF_EXIT_INTERRUPTED);
	end(a);
	write_file(b, "go", "");
	assert_int_equal(until_over(&loop, b), FF_EXIT_OK);
	end(b);
	assert_int_equal(ff_loop_release(&loop), 0);
}

/* Given up before it is over, as by a server that ends. */
static void test_a_run_is_ended_early(void **state)
{
	struct ff_loop loop;
	struct one *a;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	a = begin(&loop, long_one);
	until_units(&loop, a, 3);
	ff_run_interrupt(a->run);
	ff_run_interrupt(a->run);
	release(a);
	assert_int_equal(ff_loop_release(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_runs_on_one_loop),
		cmocka_unit_test(test_one_ends_while_another_goes_on),
		cmocka_unit_test(test_an_interrupt_is_one_runs),
		cmocka_unit_test(test_a_run_is_ended_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

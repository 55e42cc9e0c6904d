/* Hosts that come while a run goes on, and go: what the inventory, the records and the scheduler
 * make of them. (All of it together: tests/sim.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inventory/inventory.h"
#include "sched/sched.h"
#include "state/state.h"

/* --- the inventory --- */

struct built {
	struct ff_config config;
	struct ff_inventory inventory;
};

static void build(struct built *b, const char *text)
{
	const struct ff_config_opts opts = {.inventory_only = true};
	struct ff_err err = {0};

	if (ff_config_parse_with(&b->config, "demo.yaml", text, strlen(text), &opts, &err) ||
	    ff_inventory_build(&b->inventory, &b->config, &err))
		fail_msg("%s", err.text);
}

static void release(struct built *b)
{
	ff_inventory_release(&b->inventory);
	ff_config_release(&b->config);
}

/* Nobody's pointers into it are moved. */
static void test_admitted_in_place(void **state)
{
	struct built ours, now;
	const struct ff_host *first;

	build(&ours, "inventory: [popen//id=a]\n");
	build(&now,
	      "inventory:\n  hosts: [{spec: popen, name: b, tags: [big], slots: 3}, popen//id=c]\n"
	      "  groups: {g: [b]}\n");
	ff_inventory_reserve(&ours.inventory, 1);
	first = &ours.inventory.hosts[0];
	assert_int_equal(ff_inventory_room(&ours.inventory), 2);
	assert_int_equal(ff_inventory_admit(&ours.inventory, &now.inventory.hosts[0]), 1);
	assert_int_equal(ff_inventory_admit(&ours.inventory, &now.inventory.hosts[1]), FF_ETOOBIG);
	release(&now);
	assert_ptr_equal(first, &ours.inventory.hosts[0]);
	assert_int_equal(ours.inventory.len, 2);
	assert_int_equal(ours.inventory.hosts[1].slots, 3);
	assert_ptr_equal(ff_inventory_find(&ours.inventory, "b"), &ours.inventory.hosts[1]);
	assert_true(ff_host_matches(&ours.inventory.hosts[1], "big&@g"));
	assert_null(ff_inventory_find(&ours.inventory, "c"));
	release(&ours);
}

/* One of that name is another one from then on, under the same number. */
static void test_admitted_again(void **state)
{
	struct built ours, now;

	build(&ours, "inventory: [popen//id=a, popen//id=b]\n");
	build(&now, "inventory: [2*popen//id=b]\n");
	assert_int_equal(ff_inventory_admit(&ours.inventory, &now.inventory.hosts[0]), 1);
	assert_int_equal(ours.inventory.len, 2);
	assert_int_equal(ours.inventory.hosts[1].index, 1);
	assert_int_equal(ours.inventory.hosts[1].slots, 2);
	assert_string_equal(ours.inventory.hosts[0].name, "a");
	release(&now);
	release(&ours);
}

static void test_equal(void **state)
{
	static const char *const others[] = {
		"{spec: popen//chdir=x, name: a, slots: 2, tags: [t], env: {A: b}}",
		"{spec: popen, name: b, slots: 2, tags: [t], env: {A: b}}",
		"{spec: popen, name: a, slots: 1, tags: [t], env: {A: b}}",
		"{spec: popen, name: a, slots: 2, tags: [t, u], env: {A: b}}",
		"{spec: popen, name: a, slots: 2, tags: [t], env: {A: c}}",
		"{spec: popen, name: a, slots: 2, tags: [t], env: {A: b}, python: p}",
		"{spec: popen, name: a, slots: 2, tags: [t], env: {A: b}, memory: 1GiB}"};
	struct built a, b;

	build(&a, "inventory: [{spec: popen, name: a, slots: 2, tags: [t], env: {A: b}}]\n");
	build(&b, "inventory:\n  defaults: {env: {A: b}}\n"
		  "  hosts: [{spec: 2*popen, name: a, tags: [t]}]\n");
	assert_true(ff_host_equal(&a.inventory.hosts[0], &b.inventory.hosts[0]));
	release(&b);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		char text[200];

		snprintf(text, sizeof(text), "inventory: [%s]\n", others[i]);
		build(&b, text);
		assert_false(ff_host_equal(&a.inventory.hosts[0], &b.inventory.hosts[0]));
		release(&b);
	}
	release(&a);
}

/* Of a file that is read for its inventory the rest may be anything, and its variables count. */
static void test_inventory_only(void **state)
{
	struct ff_strv vars = FF_STRV_INIT;
	struct ff_config_opts opts = {.inventory_only = true, .vars = &vars};
	const char *text = "vars: {n: one}\ninventory: ['popen//id={n}']\n"
			   "jobs: {j: {no-such-key: 1, vars: {m: x}}}\n";
	struct ff_config config;
	struct ff_err err = {0};

	ff_strv_add(&vars, "m=for-a-job");
	if (ff_config_parse_with(&config, "demo.yaml", text, strlen(text), &opts, &err))
		fail_msg("%s", err.text);
	assert_int_equal(config.hosts_len, 1);
	assert_int_equal(config.jobs_len, 0);
	ff_config_release(&config);
	ff_strv_release(&vars);
}

/* --- the records --- */

static void tell(struct ff_state *state, struct ff_event event)
{
	struct ff_err err = {0};

	event.host = event.kind == FF_EVENT_RUN_STARTED ? NULL : "h";
	event.seq = state->run.seq + 1;
	if (ff_state_apply(state, &event, &err))
		fail_msg("%s", err.text);
}

#define TELL(kind_, ...) tell(&s, (struct ff_event){.kind = FF_EVENT_##kind_, __VA_ARGS__})

static void test_record_begins_anew(void **state)
{
	struct ff_event late = {.kind = FF_EVENT_HOST_ADDED, .host = "h", .seq = 100};
	struct ff_err err = {0};
	struct ff_state s;

	late.u.host_added.late = true;
	ff_state_init(&s);
	TELL(RUN_STARTED);
	TELL(HOST_ADDED, .u.host_added.slots = 4);
	TELL(HOST_JOINING, .u.host_joining.tries = 3);
	TELL(HOST_OPENED);
	TELL(HOST_READY);
	assert_int_equal(ff_state_apply(&s, &late, &err), FF_EINVAL);
	assert_string_equal(err.text, "event 100, host-added: host 'h' is ready");
	TELL(HOST_UNFIT, .u.host_unfit.error = "no pytest");
	TELL(HOST_DRAINING, .u.host_draining.reason = "it is to go");
	TELL(HOST_LEFT, .u.host_left.reason = "it is to go");
	assert_string_equal(s.hosts[0].error, "it is to go");
	TELL(HOST_ADDED, .u.host_added = {.slots = 2, .late = true});
	assert_int_equal(s.hosts_len, 1);
	assert_int_equal(s.hosts[0].state, FF_HOST_UNUSED);
	assert_int_equal(s.hosts[0].slots, 2);
	assert_int_equal(s.hosts[0].tries, 3); /* what is late is told by that */
	assert_false(s.hosts[0].was_ready);
	assert_null(s.hosts[0].unfit);
	assert_null(s.hosts[0].error);
	ff_state_release(&s);
}

/* --- the scheduler --- */

static uint32_t place(struct ff_sched *sched)
{
	struct ff_placement placement;

	return ff_sched_place(sched, &placement) ? placement.host : UINT32_MAX;
}

/* A job that has begun is placed there once the host is for it, and up. */
static void test_placed_on_a_late_host(void **state)
{
	const uint64_t only_first[2] = {1, 0};
	const struct ff_sched_opts opts = {.hosts = 100, .jobs = 2};
	const struct ff_sched_job_opts job = {.hosts = only_first, .weight = 1};
	const struct ff_queues_opts units = {.units = 6, .workers = 1};
	struct ff_sched *sched = ff_sched_new(&opts);

	ff_sched_host_up(sched, 0, 1);
	for (uint32_t i = 0; i < 2; i++) {
		ff_sched_job_start(sched, i, &job);
		ff_sched_job_units(sched, i, &units);
	}
	assert_int_equal(place(sched), 0);
	assert_int_equal(place(sched), UINT32_MAX);
	ff_sched_job_also_on(sched, 0, 70);
	assert_true(ff_sched_job_hosts(sched, 0, 70));
	assert_false(ff_sched_job_hosts(sched, 1, 70));
	assert_int_equal(place(sched), UINT32_MAX);
	ff_sched_host_up(sched, 70, 2);
	assert_int_equal(place(sched), 70);
	assert_int_equal(place(sched), 70);
	assert_int_equal(place(sched), UINT32_MAX);
	/* One that is to go gets nothing, and is as new when it comes back. */
	ff_sched_host_drain(sched, 70);
	ff_sched_job_also_on(sched, 1, 70);
	ff_sched_job_not_on(sched, 0, 70);
	assert_int_equal(place(sched), UINT32_MAX);
	ff_sched_host_up(sched, 70, 1);
	assert_int_equal(place(sched), 70);
	assert_int_equal(place(sched), UINT32_MAX);
	assert_int_equal(ff_sched_waiting(sched, 0), 3);
	assert_int_equal(ff_sched_waiting(sched, 1), 5);
	ff_sched_free(sched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_admitted_in_place),
		cmocka_unit_test(test_admitted_again),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_inventory_only),
		cmocka_unit_test(test_record_begins_anew),
		cmocka_unit_test(test_placed_on_a_late_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

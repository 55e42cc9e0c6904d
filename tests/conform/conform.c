/* conform [--parent XSPEC]… [--more XSPEC]… [--fake] XSPEC [SCENARIO…]: runs the suite on gateways
 * opened from XSPEC. Prints a line for each scenario; exit status 1 if one failed or left something
 * behind. Scenarios that say so get a gateway of their own, the others share one. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "fake_transport.h"
#include "scenarios.h"
#include "io/loop_private.h"

enum { FAKE_PIECE_MAX = 2048, FAKE_SEED = 20090 };

static const struct scenario *const tables[] = {
	scenarios_items, scenarios_channels, scenarios_forms, scenarios_sync,
	scenarios_many,	 scenarios_flow,     scenarios_ends,  scenarios_cut};

static const struct option options[] = {
	{"parent", required_argument, NULL, 'p'},
	{"more", required_argument, NULL, 'm'},
	{"fake", no_argument, NULL, 'f'},
	{"list", no_argument, NULL, 'l'},
	{0},
};

static const char usage[] = "usage: conform [--parent XSPEC]... [--more XSPEC]... [--fake] "
			    "[--list] XSPEC [SCENARIO]...\n";

struct run {
	struct setup setup;
	char *const *names; /* to run; none: all that the transport has something for */
	bool list;
	struct rig shared;
	bool shared_open;
	unsigned done, failed;
};

static bool wanted(const struct run *run, const struct scenario *scenario)
{
	const struct setup *setup = &run->setup;
	unsigned has = ON_FRESH | ON_NOTHING;

	has |= setup->native ? ON_NATIVE : ON_PYTHON;
	has |= (setup->launches ? ON_LAUNCHED : 0u) | (setup->via ? ON_VIA : 0u) |
	       (setup->fake ? ON_FAKE : 0u);
	if (scenario->needs & ~has)
		return false;
	for (int i = 0; run->names[i]; i++) {
		if (strcmp(run->names[i], scenario->name) == 0)
			return true;
	}
	return !run->names[0];
}

/* No channel is left at either end. The worker may need a moment to notice that we dropped one. */
static bool no_channels(struct rig *rig)
{
	int64_t deadline = ff_clock_us() + WAIT_MS * (int64_t)1000, channels, running;

	do {
		ITEM status = FF_ITEM_INIT;
		struct ff_err err;
		CHANNEL channel = ff_gateway_remote_status(rig->gw, &err);

		CHECK(channel);
		CHECK_RC(ff_channel_receive(channel, WAIT_MS, &status, &err), 0, &err);
		EXPECT_EOF(channel);
		channels = ff_dict_int(&status.value, "numchannels", -1);
		running = ff_dict_int(&status.value, "numexecuting", -1);
	} while ((channels != 0 || running != 0) && ff_clock_us() < deadline);
	CHECK(channels == 0);
	CHECK(running == 0);
	CHECK(ff_gateway_num_channels(rig->gw) == 0);
	return true;
}

static bool run_shared(struct run *run, const struct scenario *scenario)
{
	if (!run->shared_open && !rig_open(&run->shared, &run->setup, true))
		return false;
	run->shared_open = true;
	if (scenario->run(&run->shared) && no_channels(&run->shared))
		return true;
	/* The next ones shall not suffer for it. */
	run->shared_open = false;
	rig_close(&run->shared);
	return false;
}

static bool run_fresh(struct run *run, const struct scenario *scenario)
{
	struct rig rig;
	bool ok;

	/* What the shared one has must not count. */
	ok = !run->shared_open || rig_close(&run->shared);
	run->shared_open = false;
	if (!ok || !rig_open(&rig, &run->setup, !(scenario->needs & ON_NOTHING)))
		return false;
	ok = scenario->run(&rig);
	return rig_close(&rig) && ok;
}

static void run_one(struct run *run, const struct scenario *scenario)
{
	bool fresh = scenario->needs & (ON_FRESH | ON_NOTHING), ok;
	int64_t begin = ff_clock_us();

	ok = fresh ? run_fresh(run, scenario) : run_shared(run, scenario);
	printf("%-4s %s (%.3f s)\n", ok ? "ok" : "FAIL", scenario->name,
	       (double)(ff_clock_us() - begin) / (double)FF_SECOND_US);
	fflush(stdout);
	run->done++;
	run->failed += !ok;
}

/* Shared ones first, so that one gateway serves them all. */
static void run_all(struct run *run)
{
	for (int fresh = 0; fresh < 2; fresh++) {
		for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
			for (const struct scenario *it = tables[i]; it->name; it++) {
				bool own = it->needs & (ON_FRESH | ON_NOTHING);

				if (own != (fresh == 1) || !wanted(run, it))
					continue;
				if (run->list) {
					printf("%s\n", it->name);
				} else {
					run_one(run, it);
				}
			}
		}
	}
	if (run->shared_open && !rig_close(&run->shared)) {
		printf("FAIL end of the shared gateway\n");
		run->failed++;
	}
}

static void judge(struct setup *setup)
{
	struct ff_xspec spec;
	struct ff_err err;

	if (ff_xspec_parse(&spec, setup->specs[0], &err) != 0) {
		fprintf(stderr, "conform: %s\n", err.text);
		exit(2);
	}
	setup->native = spec.worker && strcmp(spec.worker, "native") == 0;
	setup->launches = !spec.socket;
	setup->via = spec.via;
	ff_xspec_release(&spec);
}

static void parse(struct run *run, int argc, char **argv)
{
	struct setup *setup = &run->setup;
	int option;

	setup->nspecs = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p' && setup->nparents < RIG_SPECS_MAX) {
			setup->parents[setup->nparents++] = optarg;
		} else if (option == 'm' && setup->nspecs < RIG_SPECS_MAX) {
			setup->specs[setup->nspecs++] = optarg;
		} else if (option == 'f') {
			setup->fake = true;
		} else if (option == 'l') {
			run->list = true;
		} else {
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		exit(2);
	}
	setup->specs[0] = argv[optind];
	run->names = argv + optind + 1;
	judge(setup);
}

/* What a program keeps for good (the worker's memory file, libuv's signal pipe) is no leak. */
static void warm_up(void)
{
	struct ff_loop loop;
	struct ff_group *group;

	if (ff_loop_init(&loop, NULL) != 0)
		exit(2);
	group = ff_open_group(&loop, NULL);
	ff_makegateway(group, "popen//worker=native", NULL);
	ff_group_terminate(group, WAIT_MS);
	ff_group_free(group);
	ff_loop_release(&loop);
}

int main(int argc, char **argv)
{
	struct run run = {0};

	parse(&run, argc, argv);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!run.list)
		warm_up();
	if (run.setup.fake)
		fake_transport_set(&(struct fake_settings){
			.on = true, .piece_max = FAKE_PIECE_MAX, .seed = FAKE_SEED});
	run_all(&run);
	if (run.list)
		return 0;
	printf("%u scenarios, %u failed\n", run.done, run.failed);
	return run.failed > 0 || run.done == 0;
}

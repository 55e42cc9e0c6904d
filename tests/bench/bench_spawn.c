/* How many /bin/true per second ff_process starts and finishes, PARALLEL at a time.
 * bench_spawn [JOBS [PARALLEL]] */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "io/process.h"
#include "io/loop_private.h"

struct bench {
	struct ff_loop loop;
	int jobs, parallel, started, done, running;
};

static void fill(struct bench *bench);

static void on_finished(struct ff_process *process, void *ctx)
{
	struct bench *bench = ctx;

	ff_process_free(process);
	bench->running--;
	bench->done++;
	fill(bench);
}

static const struct ff_process_ops ops = {.finished = on_finished};

static void fill(struct bench *bench)
{
	static char *const argv[] = {"/bin/true", NULL};
	struct ff_spawn spawn = {.argv = argv, .exec_fd = -1, .stdin_null = true};
	struct ff_err err;

	while (bench->running < bench->parallel && bench->started < bench->jobs) {
		if (!ff_process_spawn(&bench->loop, &spawn, &ops, bench, &err)) {
			fprintf(stderr, "%s\n", err.text);
			exit(1);
		}
		bench->started++;
		bench->running++;
	}
}

int main(int argc, char **argv)
{
	struct bench bench = {.jobs = argc > 1 ? atoi(argv[1]) : 3000,
			      .parallel = argc > 2 ? atoi(argv[2]) : 2};
	int64_t begin = ff_clock_us();

	if (ff_loop_init(&bench.loop, NULL) != 0)
		return 1;
	fill(&bench);
	while (bench.done < bench.jobs)
		ff_loop_run_once(&bench.loop, FF_NEVER_US);
	printf("spawn_per_s %.0f\n",
	       (double)bench.jobs * (double)FF_SECOND_US / (double)(ff_clock_us() - begin));
	return ff_loop_release(&bench.loop) == 0 ? 0 : 1;
}

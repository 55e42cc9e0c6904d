/* Brings a folder to any number of places at once; each file is read once for all of them.
 *
 *     rsync_two SOURCE XSPEC...     the copy is the folder "copy" where each worker works:
 *                                   "ssh=build1//chdir=work" */
#include <stdio.h>

#include "farflung.h"

enum { END_MS = 5000 };

static int fail(const struct ff_err *err)
{
	fprintf(stderr, "rsync_two: %s\n", err->text);
	return 1;
}

/* Called once for each place. */
static void on_finished(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			const struct ff_err *err, void *ctx)
{
	if (err->code == 0)
		printf("%s: %llu files, %llu sent\n", stats->root, (unsigned long long)stats->files,
		       (unsigned long long)stats->sent_files);
}

static int sync_all(struct ff_group *group, struct ff_rsync *rsync, char *const *specs,
		    struct ff_err *err)
{
	static const struct ff_rsync_events events = {.finished = on_finished};
	const struct ff_rsync_target_opts opts = {
		.dest = "copy", .remove = true, .events = &events};
	int rc;

	for (; *specs; specs++) {
		struct ff_gateway *gateway = ff_makegateway(group, *specs, err);

		if (!gateway || !ff_rsync_add_target(rsync, gateway, &opts, err))
			return err->code;
	}
	rc = ff_rsync_send(rsync, -1, err);
	for (size_t i = 0; i < ff_rsync_problems(rsync)->len; i++)
		fprintf(stderr, "left out: %s\n", ff_rsync_problems(rsync)->v[i]);
	return rc;
}

int main(int argc, char **argv)
{
	struct ff_rsync *rsync;
	struct ff_group *group;
	struct ff_loop *loop;
	struct ff_err err = {0};
	int rc;

	if (argc < 3)
		return fail(&(struct ff_err){.text = "usage: rsync_two SOURCE XSPEC..."});
	rsync = ff_rsync_new_from(argv[1], NULL, &err);
	if (!rsync)
		return fail(&err);
	loop = ff_loop_new(&err);
	if (!loop)
		return fail(&err);
	group = ff_open_group(loop, &err);
	rc = sync_all(group, rsync, argv + 2, &err);
	ff_rsync_free(rsync);
	ff_group_terminate(group, END_MS);
	ff_group_free(group);
	ff_loop_free(loop);
	return rc == 0 ? 0 : fail(&err);
}

/* `farflung sync`: hosts are opened, get the tree, and are closed. */
#include <string.h>

#include "dispatch/run.h"

#define SYNC_ERROR "tree sync: "

int ff_dispatch_sync(const struct ff_run_opts *opts,
		     void (*each)(void *ctx, const struct ff_host *host, const char *error,
				  bool reached),
		     void *ctx)
{
	struct ff_run_opts bare = *opts;
	struct ff_err err = {0};
	int code = FF_EXIT_OK;
	struct ff_run *run;

	bare.hosts_bare = true;
	run = ff_run_make(&bare, true, &err);
	if (!run)
		return FF_EXIT_INFRA;
	ff_run_wait(run);
	for (uint32_t i = 0; i < run->state.hosts_len; i++) {
		const struct ff_host *host = &opts->inventory->hosts[i];
		const struct ff_host_record *record = &run->state.hosts[i];
		const char *error = record->error ? record->error : "interrupted";
		bool there = record->state == FF_HOST_READY, reached;

		if (!ff_host_matches(host, opts->only_hosts))
			continue;
		reached = there || !strncmp(error, SYNC_ERROR, strlen(SYNC_ERROR));
		each(ctx, host,
		     there     ? NULL
		     : reached ? error + strlen(SYNC_ERROR)
			       : error,
		     reached);
		if (!reached)
			code = FF_EXIT_INFRA;
		else if (!there && code == FF_EXIT_OK)
			code = FF_EXIT_FAILED;
	}
	if (run->signalled)
		code = FF_EXIT_INTERRUPTED;
	ff_run_end(run);
	return code;
}

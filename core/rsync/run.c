/* Tree sync as a call that waits. Knows no clock and no loop but those of the targets' group. */
#include <errno.h>
#include <sys/stat.h>

#include "rsync/sender.h"

struct ff_rsync *ff_rsync_new_from(const char *source, const struct ff_tree_filter *filter,
				   struct ff_err *err)
{
	struct ff_rsync *rsync = NULL;
	struct ff_tree tree;
	struct stat st;
	int rc;

	if (stat(source, &st))
		rc = ff_err_sys(err, errno, "%s", source);
	else if (S_ISDIR(st.st_mode))
		rc = ff_tree_scan(&tree, source, filter, err);
	else
		rc = ff_tree_scan_file(&tree, source, err);
	if (rc)
		return NULL;
	rsync = ff_rsync_new(&tree);
	if (!rsync) {
		ff_tree_release(&tree);
		ff_err_set(err, FF_ENOMEM, "%s: %s", source, ff_err_text(FF_ENOMEM));
	}
	return rsync;
}

/* What all targets together came to. */
static int result(struct ff_rsync *rsync, struct ff_err *err)
{
	const struct ff_err failure = rsync->failure;
	/* What the scan could not read is missing everywhere, each time. */
	size_t first = rsync->scanned ? 0 : rsync->told;
	size_t count = rsync->scanned + rsync->tree.faults.len - rsync->told;

	rsync->added = 0;
	rsync->failure = (struct ff_err){0};
	rsync->told = rsync->tree.faults.len;
	if (failure.code)
		return ff_err_set(err, failure.code, "%s", failure.text);
	if (!count)
		return 0;
	return ff_err_set(err, FF_ESYS, "%zu could not be brought: %s: %s", count,
			  rsync->tree.faults.v[first].path, rsync->tree.faults.v[first].reason);
}

static bool is_done(void *ctx)
{
	return ff_rsync_done(ctx);
}

int ff_rsync_send(struct ff_rsync *rsync, int64_t timeout_ms, struct ff_err *err)
{
	int rc = 0;

	if (!rsync->added)
		return ff_err_set(err, FF_EINVAL, "%s: no targets: each send wants its own",
				  rsync->tree.root);
	rc = ff_group_wait(rsync->group, is_done, rsync, timeout_ms, err);
	return rc ? rc : result(rsync, err);
}

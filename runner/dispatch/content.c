/* Digests of a run's inputs. */
#include "dispatch/content.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "config/content.h"
#include "rsync/hash.h"

_Static_assert((int)FF_CONTENT_TEXT == (int)FF_HASH_TEXT, "a digest fits");

char (*ff_content_of_jobs(const struct ff_plan *plan))[FF_CONTENT_TEXT]
{
	char(*all)[FF_CONTENT_TEXT] = ff_xcalloc(plan->len + 1, sizeof(*all));
	struct ff_buf text = FF_BUF_INIT;
	uint8_t digest[FF_RSYNC_DIGEST];

	for (size_t i = 0; i < plan->len; i++) {
		const struct ff_plan_job *job = &plan->jobs[i];

		ff_buf_clear(&text);
		ff_config_job_content(job->config, &text);
		/* These come before it. */
		for (size_t j = 0; j < job->needs_len; j++)
			ff_buf_addf(&text, " %s", all[job->needs[j]]);
		ff_hash_bytes(ff_buf_data(&text), text.len, digest);
		ff_hash_text(digest, all[i]);
	}
	ff_buf_release(&text);
	return all;
}

int ff_content_of_file(const char *path, char text[FF_CONTENT_TEXT])
{
	uint8_t digest[FF_RSYNC_DIGEST];
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int rc = fd < 0 ? FF_ENOTFOUND : ff_hash_xxh3(fd, false, digest);

	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return FF_ENOTFOUND;
	ff_hash_text(digest, text);
	return 0;
}

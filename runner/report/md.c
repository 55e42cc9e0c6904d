/* --md: the run's summary in Markdown, within what the pages that show it take. */
#include "base/alloc.h"
#include "report/file.h"
#include "report/reporter.h"
#include "report/summary.h"

enum { SIZE_MAX_OF_PAGES = (1 << 20) - 1024 }; /* bytes: GitLab's limit of a text, and GitHub's */

struct md {
	struct ff_reporter base;
	char *path;
	struct ff_summary summary;
};

static void md_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	ff_summary_event(&((struct md *)reporter)->summary, event);
}

static int md_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct md *md = (struct md *)reporter;
	struct ff_buf text = FF_BUF_INIT;
	struct ff_report_file file;
	int rc = ff_report_begin(&file, md->path, err);

	if (rc < 0)
		return rc;
	ff_summary_write(&text, &md->summary, SIZE_MAX_OF_PAGES);
	fwrite(ff_buf_data(&text), 1, text.len, file.stream);
	ff_buf_release(&text);
	return ff_report_commit(&file, 0, err);
}

static void md_free(struct ff_reporter *reporter)
{
	struct md *md = (struct md *)reporter;

	ff_summary_release(&md->summary);
	ff_free(md->path);
	ff_free(md);
}

static const struct ff_reporter_class md_class = {
	.name = "md",
	.event = md_event,
	.finish = md_finish,
	.free = md_free,
};

static struct ff_reporter *md_open(const struct ff_reporter_opts *opts, const char *value,
				   struct ff_err *err)
{
	struct md *md;

	(void)opts;
	if (ff_report_prepare(value, err) < 0)
		return NULL;
	md = ff_xcalloc(1, sizeof(*md));
	md->base.class = &md_class;
	md->path = ff_xstrdup(value);
	ff_summary_init(&md->summary);
	return &md->base;
}

const struct ff_reporter_kind ff_report_md = {
	.name = "md",
	.arg = "FILE",
	.help = "write a summary in Markdown to FILE, of 1 MiB at most",
	.open = md_open,
};

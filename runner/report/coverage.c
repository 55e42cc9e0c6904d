#include "report/coverage.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/map.h"
#include "base/strv.h"
#include "report/program.h"
#include "report/reporter.h"
#include "report/text.h"

enum { FILES_AT_ONCE = 500, COMBINE_SECONDS = 600, SAID_MAX = 64 << 10 };

struct coverage {
	struct ff_reporter base;
	char *directory, *file_prefix, *source, *dest;
	struct ff_map seen; /* folders, and hosts' working directories */
	struct ff_strv folders, roots;
	bool over, good;
	volatile bool hurry;
};

static void note(struct coverage *c, struct ff_strv *list, const char *text)
{
	if (!text || ff_map_get(&c->seen, text))
		return;
	ff_map_set(&c->seen, text, list);
	ff_strv_add(list, text);
}

static void coverage_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct coverage *c = (struct coverage *)reporter;

	if (event->kind == FF_EVENT_HOST_READY) {
		note(c, &c->roots, event->u.host_ready.cwd);
	} else if (event->kind == FF_EVENT_UNIT_ARTIFACTS) {
		note(c, &c->folders, event->u.unit_artifacts.folder);
	} else if (event->kind == FF_EVENT_RUN_FINISHED) {
		c->over = true;
		c->good = event->u.run_finished.exit_code == 0;
	}
}

/* The units' files: not those of jobs that only leave files of such names. */
static void find(const struct coverage *c, struct ff_strv *files)
{
	for (size_t i = 0; i < c->folders.len; i++) {
		DIR *folder = opendir(c->folders.v[i]);
		struct dirent *entry;

		while (folder && (entry = readdir(folder))) {
			char *path;

			if (strncmp(entry->d_name, c->file_prefix, strlen(c->file_prefix)) != 0)
				continue;
			path = ff_xasprintf("%s/%s", c->folders.v[i], entry->d_name);
			ff_strv_add(files, path);
			ff_free(path);
		}
		if (folder)
			closedir(folder);
	}
}

/* A file of settings in which the hosts' folders are names of ours. */
static int write_settings(const struct coverage *c, struct ff_buf *path)
{
	struct ff_buf text = FF_BUF_INIT;
	int fd = memfd_create("coverage", 0), errnum;

	ff_buf_addf(&text, "[paths]\nsource =\n    %s\n", c->source ? c->source : c->directory);
	for (size_t i = 0; i < c->roots.len; i++)
		if (c->dest && *c->dest == '/')
			ff_buf_addf(&text, "    %s\n", c->dest);
		else
			ff_buf_addf(&text, "    %s%s%s\n", c->roots.v[i], c->dest ? "/" : "",
				    c->dest ? c->dest : "");
	errnum = fd < 0 ? errno : ff_write_all(fd, ff_buf_data(&text), text.len);
	ff_buf_release(&text);
	if (errnum)
		ff_buf_addf(path, "%s", strerror(errnum));
	else
		ff_buf_addf(path, "/proc/%d/fd/%d", (int)getpid(), fd);
	if (errnum && fd >= 0)
		close(fd);
	return errnum ? -1 : fd;
}

/* The last line of what it said, behind what became of it. */
static void add_said(int fd, struct ff_buf *why)
{
	struct ff_buf said = FF_BUF_INIT;
	const char *text;
	size_t len;

	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0 || ff_read_all(fd, SAID_MAX, &said) != 0) {
		ff_buf_release(&said);
		return;
	}
	text = said.len ? ff_buf_str(&said) : "";
	for (len = strlen(text); len > 0 && text[len - 1] == '\n';)
		len--;
	if (len > 0) {
		size_t from = len;
		char *line;

		while (from > 0 && text[from - 1] != '\n')
			from--;
		line = ff_xstrndup(text + from, len - from);
		ff_buf_addstr(why, ": ");
		ff_text_line(why, line, 300, "...");
		ff_free(line);
	}
	ff_buf_release(&said);
}

static int combine_some(struct coverage *c, const char *settings, char *const *files, size_t len,
			bool append, struct ff_buf *why)
{
	char *data = ff_xasprintf("--data-file=%s/.coverage", c->directory);
	char *rc_file = ff_xasprintf("--rcfile=%s", settings);
	const char *first[] = {"python3", "-m", "coverage", "combine", "--keep", data, rc_file};
	struct ff_strv argv = FF_STRV_INIT;
	int said = memfd_create("said", MFD_CLOEXEC), rc;
	struct ff_program program = {
		.in = -1, .out = said, .seconds = COMBINE_SECONDS, .hurry = &c->hurry};

	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		ff_strv_add(&argv, first[i]);
	if (append)
		ff_strv_add(&argv, "--append");
	for (size_t i = 0; i < len; i++)
		ff_strv_add(&argv, files[i]);
	program.argv = argv.v;
	rc = ff_program_run(&program, why);
	if (rc)
		add_said(said, why);
	if (said >= 0)
		close(said);
	ff_strv_release(&argv);
	ff_free(rc_file);
	ff_free(data);
	return rc;
}

static int combine(struct coverage *c, const struct ff_strv *files, struct ff_buf *why)
{
	struct ff_buf settings = FF_BUF_INIT;
	int fd = write_settings(c, &settings), rc = fd < 0 ? -1 : 0;

	if (rc)
		ff_buf_addstr(why, ff_buf_str(&settings));
	for (size_t at = 0; at < files->len && !rc; at += FILES_AT_ONCE) {
		size_t left = files->len - at;

		rc = combine_some(c, ff_buf_str(&settings), files->v + at,
				  left < FILES_AT_ONCE ? left : FILES_AT_ONCE, at > 0, why);
	}
	if (fd >= 0)
		close(fd);
	ff_buf_release(&settings);
	return rc;
}

static int coverage_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct coverage *c = (struct coverage *)reporter;
	struct ff_strv files = FF_STRV_INIT;
	struct ff_buf why = FF_BUF_INIT;
	int rc = 0;

	if (c->over)
		find(c, &files);
	if (files.len > 0 && combine(c, &files, &why))
		rc = ff_err_set(err, FF_EINVAL, "cannot combine coverage into '%s/.coverage': %s",
				c->directory, ff_buf_str(&why));
	/* Whatever else was bad says why there is none. */
	else if (c->over && c->good && files.len == 0 && c->folders.len > 0)
		rc = ff_err_set(err, FF_EINVAL,
				"no command has left coverage data: is it run by "
				"'coverage run'?");
	ff_strv_release(&files);
	ff_buf_release(&why);
	return rc;
}

static void coverage_abandon(struct ff_reporter *reporter)
{
	((struct coverage *)reporter)->hurry = true;
}

static void coverage_free(struct ff_reporter *reporter)
{
	struct coverage *c = (struct coverage *)reporter;

	ff_map_release(&c->seen);
	ff_strv_release(&c->folders);
	ff_strv_release(&c->roots);
	ff_free(c->directory);
	ff_free(c->file_prefix);
	ff_free(c->source);
	ff_free(c->dest);
	ff_free(c);
}

static const struct ff_reporter_class coverage_class = {
	.name = "coverage",
	.event = coverage_event,
	.finish = coverage_finish,
	.abandon = coverage_abandon,
	.free = coverage_free,
};

struct ff_reporter *ff_report_coverage(const struct ff_coverage_opts *opts)
{
	struct coverage *c = ff_xcalloc(1, sizeof(*c));

	c->base.class = &coverage_class;
	c->directory = ff_xstrdup(opts->directory);
	c->file_prefix = ff_xstrdup(opts->file_prefix);
	c->source = opts->source ? ff_xstrdup(opts->source) : NULL;
	c->dest = opts->dest ? ff_xstrdup(opts->dest) : NULL;
	return &c->base;
}

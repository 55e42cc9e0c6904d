/* The readers of JUnit reports, as they describe themselves or behave, and what that makes of ours.
 */
#include "report/junit_dialect.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strv.h"
#include "report/reporter.h"

enum {
	FILES_MAX = 32, /* that a case names */
	DEPTH_MAX = 8,
	LITTLE = 1 << 10, /* of each text, where there were too many */
};

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

static const struct ff_junit_dialect dialects[] = {
	{.name = "pytest"},
	/* The schema of its xUnit plugin: a case has class, name and time, nothing else. */
	{.name = "xunit2", .full = true, .no_properties = true},
	/* It cuts a stream to 1000 characters, of a failed case to 100,000. Attachments are lines
	 * of their own with an absolute path. */
	{.name = "jenkins",
	 .full = true,
	 .attachments = true,
	 .problem_max = 100000,
	 .bad_max = 100000,
	 .good_max = 1000},
	/* 30 MB a file at most; of a case that passed it shows no output, of problems their text.
	 * The path of an attachment is one of the job's artifacts, below the checkout. */
	{.name = "gitlab",
	 .full = true,
	 .places = true,
	 .text_alone = true,
	 .unique = true,
	 .attachments = true,
	 .relative = true,
	 .problem_max = KIB(64),
	 .bad_max = KIB(64),
	 .good_silent = true,
	 .budget = MIB(16)},
	/* `file` is what its timings are by. 100 MB of all results, compressed. */
	{.name = "circleci",
	 .full = true,
	 .places = true,
	 .problem_max = KIB(256),
	 .bad_max = KIB(256),
	 .good_max = KIB(4)},
	/* It wants a class and a name of each case, and shows file and line. */
	{.name = "buildkite",
	 .full = true,
	 .places = true,
	 .text_alone = true,
	 .problem_max = KIB(64),
	 .bad_max = KIB(64),
	 .good_max = KIB(4)},
};

enum { DIALECTS = sizeof(dialects) / sizeof(*dialects) };

const struct ff_junit_dialect *ff_junit_dialect(const char *name)
{
	for (size_t i = 0; name && i < DIALECTS; i++)
		if (strcmp(dialects[i].name, name) == 0)
			return &dialects[i];
	return &dialects[0];
}

size_t ff_junit_room(const struct ff_junit_form *form, size_t max)
{
	bool spent = form->dialect->budget && form->texts >= form->dialect->budget;

	if (max == 0)
		max = SIZE_MAX;
	return spent && max > LITTLE ? LITTLE : max;
}

/* --- attachments --- */

/* What stands in the way of a line's form; GitLab takes no bracket and no bar in it. */
static bool is_nameable(const struct ff_junit_dialect *dialect, const char *path)
{
	return strpbrk(path, dialect->relative ? "[]|\r\n" : "\r\n") == NULL;
}

/* The sums are ours, beside what was brought. */
static bool is_listed(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strcmp(name, ".farflung.sums") != 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_files(struct ff_strv *files, const char *folder, int depth)
{
	DIR *dir = depth < DEPTH_MAX ? opendir(folder) : NULL;
	struct ff_strv names = FF_STRV_INIT;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_listed(entry->d_name))
			ff_strv_add(&names, entry->d_name);
	if (names.len > 0)
		qsort(names.v, names.len, sizeof(*names.v), by_name);
	for (size_t i = 0; i < names.len && files->len < FILES_MAX; i++) {
		char *path = ff_xasprintf("%s/%s", folder, names.v[i]);
		struct stat st;

		if (lstat(path, &st) < 0)
			;
		else if (S_ISDIR(st.st_mode))
			find_files(files, path, depth + 1);
		else if (S_ISREG(st.st_mode))
			ff_strv_add(files, path);
		ff_free(path);
	}
	ff_strv_release(&names);
	if (dir)
		closedir(dir);
}

/* What of `path` is below the checkout; NULL: it is not there. */
static const char *below_checkout(const char *path)
{
	const char *project = getenv("CI_PROJECT_DIR");
	char *top = realpath(project && *project ? project : ".", NULL);
	size_t len = top ? strlen(top) : 0;
	bool is = len > 0 && strncmp(path, top, len) == 0 && path[len] == '/';

	free(top);
	return is ? path + len + 1 : NULL;
}

void ff_junit_attachments(struct ff_buf *out, const struct ff_junit_dialect *dialect,
			  const char *folder)
{
	char *real = dialect->attachments && folder ? realpath(folder, NULL) : NULL;
	struct ff_strv files = FF_STRV_INIT;

	if (real)
		find_files(&files, real, 0);
	for (size_t i = 0; i < files.len; i++) {
		const char *path = dialect->relative ? below_checkout(files.v[i]) : files.v[i];

		if (path && is_nameable(dialect, path))
			ff_buf_addf(out, "[[ATTACHMENT|%s]]\n", path);
	}
	ff_strv_release(&files);
	free(real);
}

/* --- the option --- */

static void set_dialect(struct ff_reporter_opts *opts, const char *value)
{
	opts->junit_dialect = value;
}

const struct ff_reporter_kind ff_report_junit_dialect = {
	.name = "junit-dialect",
	.key = "junit_dialect",
	.arg = "NAME",
	.help = "the JUnit report is for: pytest, jenkins, gitlab, circleci, buildkite, "
		"xunit2",
	.choices = "pytest, jenkins, gitlab, circleci, buildkite or xunit2",
	.of = "junit",
	.set = set_dialect,
};

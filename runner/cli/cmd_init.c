/* farflung init [FILE]: a first file, with comments, from what is found in its folder. What each
 * kind of project is known by, and becomes, is one table. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "cli/command.h"
#include "config/config.h"
#include "dispatch/dispatch.h"

enum { LOOK_MAX = 1 << 20 /* bytes of a file that are looked at */ };

static const struct ff_option options[] = {
	FF_OPTIONS_END,
};

/* --- what is there --- */

static char *path_in(const char *folder, const char *name)
{
	return ff_xasprintf("%s/%s", folder, name);
}

static bool is_there(const char *folder, const char *name)
{
	char *path = path_in(folder, name);
	struct stat st;
	bool there = stat(path, &st) == 0 && S_ISREG(st.st_mode);

	ff_free(path);
	return there;
}

/* Its text, to be freed; NULL: it is not there. */
static char *text_of(const char *folder, const char *name)
{
	char *path = path_in(folder, name);
	FILE *file = is_there(folder, name) ? fopen(path, "re") : NULL;
	char *text = NULL;
	size_t len;

	ff_free(path);
	if (!file)
		return NULL;
	text = ff_xmalloc(LOOK_MAX + 1);
	len = fread(text, 1, LOOK_MAX, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static bool has_text(const char *folder, const char *name, const char *wanted)
{
	char *text = text_of(folder, name);
	bool found = text && strstr(text, wanted);

	ff_free(text);
	return found;
}

/* A line of the file that begins with the word: a target of make's. */
static bool has_line(const char *folder, const char *name, const char *word)
{
	char *text = text_of(folder, name);
	bool found = false;

	for (char *line = text; line && !found; line = strchr(line, '\n')) {
		line += line != text || *line == '\n';
		found = !strncmp(line, word, strlen(word));
	}
	ff_free(text);
	return found;
}

/* Whether there are files of tests, here or a folder below. */
static bool has_tests(const char *folder, int depth)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		size_t len = strlen(name);

		if (*name == '.')
			continue;
		found = len > 3 && !strcmp(name + len - 3, ".py") &&
			(!strncmp(name, "test_", 5) ||
			 (len > 8 && !strcmp(name + len - 8, "_test.py")));
		if (!found && depth > 0 && entry->d_type == DT_DIR) {
			char *below = path_in(folder, name);

			found = has_tests(below, depth - 1);
			ff_free(below);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

/* --- what becomes of it: a job, or nothing --- */

static bool add_pytest(const char *folder, struct ff_buf *job)
{
	static const char *const places[] = {"tests", "test"};
	const char *where = NULL;
	bool configured = is_there(folder, "pytest.ini") || is_there(folder, "conftest.py") ||
			  has_text(folder, "pyproject.toml", "[tool.pytest") ||
			  has_text(folder, "setup.cfg", "[tool:pytest]") ||
			  has_text(folder, "tox.ini", "[pytest]");

	for (size_t i = 0; i < 2 && !where; i++) {
		char *path = path_in(folder, places[i]);

		if (has_tests(path, 3))
			where = places[i];
		ff_free(path);
	}
	if (!where && (configured || has_tests(folder, 0)))
		where = ".";
	if (!where)
		return false;
	ff_buf_addf(job,
		    "  unit:\n"
		    "    pytest: [%s]          # and pytest's other arguments: -k, \"not slow\"\n"
		    "    # retries: 1               # how often what failed is tried again\n"
		    "    # timeout: 5m              # for each test\n",
		    where);
	return true;
}

static bool add_cmake(const char *folder, struct ff_buf *job)
{
	bool tests = has_text(folder, "CMakeLists.txt", "enable_testing") ||
		     has_text(folder, "CMakeLists.txt", "include(CTest)");

	if (!is_there(folder, "CMakeLists.txt"))
		return false;
	ff_buf_addf(job,
		    "  cmake:\n"
		    "    run: |                   # a text is for the shell, a list for none\n"
		    "      set -e\n"
		    "      cmake -S . -B build\n"
		    "      cmake --build build --parallel\n%s",
		    tests ? "      ctest --test-dir build --output-on-failure\n" : "");
	return true;
}

static bool add_meson(const char *folder, struct ff_buf *job)
{
	if (!is_there(folder, "meson.build"))
		return false;
	ff_buf_addstr(job, "  meson:\n"
			   "    run: |\n"
			   "      set -e\n"
			   "      test -d build || meson setup build\n"
			   "      meson test -C build\n");
	return true;
}

static bool add_make(const char *folder, struct ff_buf *job)
{
	static const char *const names[] = {"GNUmakefile", "makefile", "Makefile"};
	static const char *const targets[] = {"test", "check"};
	const char *name = NULL, *target = "";

	for (size_t i = 0; i < 3 && !name; i++)
		if (is_there(folder, names[i]))
			name = names[i];
	if (!name || has_text(folder, name, "# CMAKE generated file"))
		return false;
	for (size_t i = 2; i-- > 0;) {
		char *line = ff_xasprintf("%s:", targets[i]);

		if (has_line(folder, name, line))
			target = targets[i];
		ff_free(line);
	}
	ff_buf_addf(job, "  make:\n    run: make%s%s\n", *target ? " " : "", target);
	return true;
}

static bool add_cargo(const char *folder, struct ff_buf *job)
{
	if (!is_there(folder, "Cargo.toml"))
		return false;
	ff_buf_addstr(job, "  cargo:\n    run: cargo test\n");
	return true;
}

static bool add_go(const char *folder, struct ff_buf *job)
{
	if (!is_there(folder, "go.mod"))
		return false;
	ff_buf_addstr(job, "  go:\n    run: go test ./...\n");
	return true;
}

static bool add_npm(const char *folder, struct ff_buf *job)
{
	if (!has_text(folder, "package.json", "\"test\""))
		return false;
	ff_buf_addstr(job, "  npm:\n    run: npm ci && npm test\n");
	return true;
}

static const struct {
	const char *name;
	bool (*add)(const char *folder, struct ff_buf *job);
} kinds[] = {
	{"pytest", add_pytest}, {"CMake", add_cmake}, {"Meson", add_meson}, {"make", add_make},
	{"Cargo", add_cargo},	{"Go", add_go},	      {"npm", add_npm},
};

/* --- the file --- */

static const char before_jobs[] =
	"\n"
	"# Brought to each host that does not work in this folder; without a list of your own, "
	".git and\n"
	"# caches are left out.\n"
	"tree: {source: .}\n"
	"\n"
	"# What {name} stands for in jobs; farflung run -e mode=slow gives another value.\n"
	"# vars: {mode: quick}\n"
	"\n"
	"jobs:\n";

static const char behind_jobs[] =
	"\n"
	"# More to know of jobs: needs, on, env, matrix, count, uses. All keys: farflung run "
	"--help-config\n"
	"\n"
	"# report: {junit: out/junit.xml}\n"
	"\n"
	"# farflung run --profile ci lays this over all that stands above.\n"
	"# profiles:\n"
	"#   ci: {settings: {maxfail: 10, flaky_fail: true}}\n";

/* `found`: gets the kinds, with commas between them. */
static void write_text(const char *folder, struct ff_buf *text, struct ff_buf *found)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	ff_buf_addf(text,
		    "# farflung check says what is wrong with this file, farflung run runs it.\n"
		    "version: 1\n"
		    "\n"
		    "inventory:\n"
		    "  - %ld*popen                  # this machine, so many things at a time\n"
		    "  # - {spec: \"ssh=build[01-10]\", slots: 8, tags: [linux]}\n",
		    cpus > 0 ? cpus : 1);
	ff_buf_addstr(text, before_jobs);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].add(folder, text))
			ff_buf_addf(found, "%s%s", found->len ? ", " : "", kinds[i].name);
	if (!found->len)
		ff_buf_addstr(text, "  hello:\n"
				    "    run: 'echo \"hello {name}, from $(uname -n)\"'\n"
				    "    matrix: {name: [one, two]} # once for each value\n");
	ff_buf_addstr(text, behind_jobs);
}

/* A file that is there stays as it is. */
static int write_file(const char *path, struct ff_buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int error;

	if (fd < 0)
		return errno;
	error = ff_write_all(fd, ff_buf_data(text), text->len);
	if (error) {
		close(fd);
		unlink(path);
		return error;
	}
	return close(fd) < 0 ? errno : 0;
}

static int init_file(const char *path, void *values)
{
	const char *slash = strrchr(path, '/');
	bool print = strcmp(path, "-") == 0;
	char *folder = slash && !print
			       ? ff_xstrndup(path, slash == path ? 1 : (size_t)(slash - path))
			       : ff_xstrdup(".");
	struct ff_buf text = FF_BUF_INIT, found = FF_BUF_INIT;
	int error = 0;

	(void)values;
	write_text(folder, &text, &found);
	if (print)
		fputs(ff_buf_str(&text), stdout);
	else
		error = write_file(path, &text);
	if (error == EEXIST)
		ff_complain("init: '%s' is there already; nothing was written", path);
	else if (error)
		ff_complain("init: %s: %s", path, strerror(error));
	else if (!print)
		printf("%s: written for %s; look at it, then: farflung run%s%s\n", path,
		       found.len ? ff_buf_str(&found) : "a first try",
		       strcmp(path, "farflung.yaml") ? " " : "",
		       strcmp(path, "farflung.yaml") ? path : "");
	ff_buf_release(&text);
	ff_buf_release(&found);
	ff_free(folder);
	return error ? FF_EXIT_USAGE : FF_EXIT_OK;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	return ff_command_on_file(command, argc, argv, NULL, init_file);
}

const struct ff_command ff_command_init = {
	.name = "init",
	.summary = "Write a first YAML file, with comments, from what is found here.",
	.synopsis = "[FILE]",
	.details = "FILE defaults to farflung.yaml; - is standard output. Its folder is looked at: "
		   "pytest, CMake,\n"
		   "Meson, make, Cargo, Go and npm are known. A file that is there is never "
		   "overwritten.\n",
	.options = options,
	.run = run,
};

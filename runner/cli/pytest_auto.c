/* What -n auto means where somebody says so: by pytest_xdist_auto_num_workers, in a conftest.py or
 * a plugin that is named. Only then an interpreter is asked. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/pytest.h"

enum { CONFTEST_MAX = 1 << 20 }; /* bytes of it that are looked at */

extern const unsigned char ff_source_pytest_auto[];

/* --- whether it is worth it --- */

static bool file_has_it(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t len;
	bool found;

	if (!file)
		return false;
	text = ff_xmalloc(CONFTEST_MAX);
	len = fread(text, 1, CONFTEST_MAX, file);
	fclose(file);
	found = memmem(text, len, "pytest_xdist_auto_num_workers",
		       strlen("pytest_xdist_auto_num_workers")) != NULL ||
		memmem(text, len, "pytest_plugins", strlen("pytest_plugins")) != NULL;
	ff_free(text);
	return found;
}

static bool folder_has_it(const char *folder)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/conftest.py", folder) < (int)sizeof(path) &&
	       file_has_it(path);
}

/* There, in a folder above, or in one that is in it: pytest reads of these what it wants. */
static bool around_has_it(const char *start)
{
	char path[PATH_MAX], *slash;
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (!realpath(start, path))
		return false;
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		char below[PATH_MAX];

		if (entry->d_name[0] != '.' && snprintf(below, sizeof(below), "%s/%s", path,
							entry->d_name) < (int)sizeof(below))
			found = folder_has_it(below);
	}
	if (dir)
		closedir(dir);
	while (!found && path[0]) {
		found = folder_has_it(path);
		slash = strrchr(path, '/');
		*slash = '\0';
	}
	return found;
}

/* A plugin that is named has it, perhaps: -p no:… takes one away. */
static bool names_plugin(const struct ff_strv *args)
{
	for (size_t i = 0; i < args->len; i++) {
		const char *word = args->v[i];

		if (strncmp(word, "-p", 2) != 0)
			continue;
		word = word[2] ? word + 2 : i + 1 < args->len ? args->v[i + 1] : "no:";
		if (strncmp(word, "no:", 3) != 0)
			return true;
	}
	return getenv("PYTEST_PLUGINS") != NULL;
}

static bool may_be_said(const struct ff_strv *args)
{
	if (names_plugin(args) || around_has_it("."))
		return true;
	for (size_t i = 0; i < args->len; i++) {
		char path[PATH_MAX];
		size_t len = strcspn(args->v[i], ":");

		if (args->v[i][0] == '-' || len >= sizeof(path))
			continue;
		memcpy(path, args->v[i], len);
		path[len] = '\0';
		if (around_has_it(path))
			return true;
	}
	return false;
}

/* --- asking --- */

static void become(const struct ff_strv *python, const char *said, const struct ff_strv *args,
		   int out)
{
	struct ff_strv argv = FF_STRV_INIT;

	ff_strv_add_all(&argv, python->v);
	ff_strv_add(&argv, "-c");
	ff_strv_add(&argv, (const char *)ff_source_pytest_auto);
	ff_strv_addf(&argv, "%d", out);
	ff_strv_add(&argv, said);
	ff_strv_add_all(&argv, args->v);
	unsetenv("PYTEST_ADDOPTS"); /* what it says is among the words */
	dup2(2, 1);		    /* what a conftest prints is not ours to show */
	execvp(argv.v[0], argv.v);
	_exit(127);
}

/* The line that it answers; "": none. */
static void ask(const struct ff_strv *python, const char *said, const struct ff_strv *args,
		struct ff_buf *line)
{
	char bytes[4096];
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe(ends) < 0)
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		become(python, said, args, ends[1]);
	}
	close(ends[1]);
	while (pid > 0 && (n = read(ends[0], bytes, sizeof(bytes))) > 0)
		ff_buf_add(line, bytes, (size_t)n);
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (line->len > 0 && ff_buf_str(line)[line->len - 1] == '\n')
		line->len--;
}

int ff_pytest_auto(const struct options *o, const struct ff_strv *args, int64_t most,
		   int64_t *workers)
{
	struct ff_strv python = FF_STRV_INIT;
	struct ff_buf line = FF_BUF_INIT;
	const char *text = "";
	int rc = 0;

	if (!may_be_said(args))
		return 0;
	if (ff_pytest_interpreter(o->python, &python))
		ask(&python, o->numprocesses ? o->numprocesses : "auto", args, &line);
	text = ff_buf_str(&line);
	if (strncmp(text, "workers ", 8) == 0) {
		rc = 1;
		if (ff_config_number(text + 8, 0, most, workers)) {
			rc = -1;
			ff_complain(
				"pytest: pytest_xdist_auto_num_workers wants %s workers: at most "
				"%lld are possible",
				text + 8, (long long)most);
		}
	} else if (strncmp(text, "error ", 6) == 0) {
		rc = -1;
		ff_complain("pytest: pytest_xdist_auto_num_workers: %s", text + 6);
	}
	ff_buf_release(&line);
	ff_strv_release(&python);
	return rc;
}

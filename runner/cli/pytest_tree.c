/* --rsyncdir and --rsyncignore. pytest-xdist brings each folder to where the workers run, beside
 * one another; here the working directory is brought, without the folders that were not named, so
 * that relative arguments mean there what they mean here. */
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/pytest.h"

/* What pytest-xdist leaves out: hidden files but .coveragerc, which pytest-cov has it bring. */
static const char *const ignored[] = {".[!c]*", ".c[!o]*", ".co[!v]*",	 "*.pyc",
				      "*.pyo",	"*~",	   "__pycache__"};

/* `dir` from the working directory, "" for that itself; NULL with a complaint. */
static char *below_here(const char *dir, const char *here)
{
	char real[PATH_MAX];
	size_t len = strlen(here);
	struct stat st;

	if (!realpath(dir, real) || stat(real, &st) < 0 || !S_ISDIR(st.st_mode)) {
		ff_complain("pytest: --rsyncdir %s: no such folder", dir);
		return NULL;
	}
	if (strcmp(real, here) == 0)
		return ff_xstrdup("");
	if (len == 1 && here[0] == '/')
		return ff_xstrdup(real + 1);
	if (strncmp(real, here, len) == 0 && real[len] == '/')
		return ff_xstrdup(real + len + 1);
	ff_complain("pytest: --rsyncdir %s is not below the working directory: start farflung in a "
		    "folder that holds all that is to be brought along",
		    dir);
	return NULL;
}

/* Whether `path` is in one of the folders, or on the way to one: then it is brought. */
static bool is_wanted(const struct ff_strv *dirs, const char *path, bool *whole)
{
	size_t len = strlen(path);
	bool wanted = false;

	*whole = false;
	for (size_t i = 0; i < dirs->len; i++) {
		const char *dir = dirs->v[i];

		if (strcmp(dir, path) == 0)
			*whole = true;
		if (strncmp(dir, path, len) == 0 && (dir[len] == '/' || !dir[len]))
			wanted = true;
	}
	return wanted;
}

/* A pattern matches this name and no other. */
static void exclude_folder(struct ff_strv *exclude, const char *path)
{
	struct ff_buf pattern = FF_BUF_INIT;

	ff_buf_addch(&pattern, '/');
	for (; *path; path++) {
		if (strchr("*?[]\\", *path))
			ff_buf_addch(&pattern, '\\');
		ff_buf_addch(&pattern, *path);
	}
	ff_buf_addch(&pattern, '/');
	ff_strv_add(exclude, ff_buf_str(&pattern));
	ff_buf_release(&pattern);
}

/* Folders beside those that were named; files stay: conftest.py, pytest.ini and their like. */
static void leave_out(const struct ff_strv *dirs, const char *path, struct ff_strv *exclude)
{
	DIR *folder = opendir(*path ? path : ".");
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		char *name = ff_xasprintf("%s%s%s", path, *path ? "/" : "", entry->d_name);
		struct stat st;
		bool whole;

		if (entry->d_name[0] != '.' && lstat(name, &st) == 0 && S_ISDIR(st.st_mode)) {
			if (!is_wanted(dirs, name, &whole))
				exclude_folder(exclude, name);
			else if (!whole)
				leave_out(dirs, name, exclude);
		}
		ff_free(name);
	}
	if (folder)
		closedir(folder);
}

/* Where nothing says where to, it is not put among what is in the home folder. */
static void give_folders(struct ff_config *config)
{
	for (size_t i = 0; i < config->hosts_len; i++) {
		struct ff_config_host *host = &config->hosts[i];
		const char *popen = strstr(host->spec, "popen");

		if (!host->chdir && !strstr(host->spec, "chdir=") && !popen)
			host->chdir = ff_arena_strdup(&config->arena, "farflung-cache");
	}
}

int ff_pytest_tree(struct ff_config *config, const struct options *o)
{
	struct ff_strv dirs = FF_STRV_INIT;
	char here[PATH_MAX];
	bool all = false;

	if (o->rsyncdir.len == 0) {
		if (o->rsyncignore.len > 0)
			ff_complain("pytest: --rsyncignore has no effect without --rsyncdir");
		return 0;
	}
	if (!realpath(".", here))
		return -1;
	for (size_t i = 0; i < o->rsyncdir.len; i++) {
		char *dir = below_here(o->rsyncdir.v[i], here);

		if (!dir) {
			ff_strv_release(&dirs);
			return -1;
		}
		all = all || !*dir;
		ff_strv_add(&dirs, dir);
		ff_free(dir);
	}
	config->tree.given = true;
	config->tree.source = ff_arena_strdup(&config->arena, here);
	config->tree.remove = true;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		ff_strv_add(&config->tree.exclude, ignored[i]);
	ff_strv_add_all(&config->tree.exclude, o->rsyncignore.v);
	if (!all)
		leave_out(&dirs, "", &config->tree.exclude);
	give_folders(config);
	ff_strv_release(&dirs);
	return 0;
}

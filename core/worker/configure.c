/* The built-in `configure`: working directory, niceness and environment of the worker itself, and
 * so of all that it starts from then on. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/utf8.h"
#include "worker/configure.h"
#include "worker/exec.h"
#include "worker/kwargs.h"
#include "worker/worker.h"

enum { FOLDER_MODE = 0777, NICE_MAX = 1 << 20 };

int ff_configure_make_folders(const char *path, struct ff_err *err)
{
	char *copy = ff_strdup(path), *at, end;
	int rc = 0;

	if (!copy)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	for (at = copy; *at && !rc;) {
		at += strspn(at, "/");
		at += strcspn(at, "/");
		end = *at;
		*at = '\0';
		if (mkdir(copy, FOLDER_MODE) && errno != EEXIST)
			rc = ff_err_sys(err, errno, "cannot create '%s'", copy);
		*at = end;
	}
	ff_free(copy);
	return rc;
}

static int enter_path(const char *path, struct ff_err *err)
{
	int rc;

	if (!chdir(path))
		return 0;
	if (errno != ENOENT)
		return ff_err_sys(err, errno, "cannot change to '%s'", path);
	rc = ff_configure_make_folders(path, err);
	if (rc)
		return rc;
	return chdir(path) ? ff_err_sys(err, errno, "cannot change to '%s'", path) : 0;
}

/* "~" and "~/x" are in this machine's home of the user. */
static int enter_folder(const char *folder, struct ff_err *err)
{
	const char *home = getenv("HOME");
	char *path;
	int rc;

	if (folder[0] != '~' || (folder[1] && folder[1] != '/'))
		return enter_path(folder, err);
	if (!home || !*home)
		return ff_err_set(err, FF_EINVAL, "cannot change to '%s': HOME is not set", folder);
	path = ff_asprintf("%s%s", home, folder + 1);
	if (!path)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	rc = enter_path(path, err);
	ff_free(path);
	return rc;
}

static int apply_env(const struct ff_value *kwargs, struct ff_err *err)
{
	const struct ff_value *env = ff_dict_get(kwargs, "env");
	struct ff_strv checked = FF_STRV_INIT;
	char *const none[] = {NULL};
	size_t i;
	int rc;

	rc = ff_kwargs_env(kwargs, none, &checked, err);
	ff_strv_release(&checked);
	if (rc || !env || env->kind != FF_DICT)
		return rc;
	for (i = 0; i < env->len; i++) {
		const struct ff_value *name = &env->items[2 * i], *value = name + 1;

		rc = value->kind == FF_NONE ? unsetenv(name->text)
					    : setenv(name->text, value->text, 1);
		if (rc)
			return ff_err_sys(err, errno, "cannot set '%s'", name->text);
	}
	return 0;
}

/* As os.nice: any number, the system cuts it to what it has. */
static int change_nice(int64_t increment, struct ff_err *err)
{
	int number = increment > NICE_MAX ? NICE_MAX : (int)increment;

	if (increment < -NICE_MAX)
		number = -NICE_MAX;
	errno = 0;
	if (number && nice(number) == -1 && errno)
		return ff_err_sys(err, errno, "cannot set nice %d", number);
	return 0;
}

int ff_configure_apply(const struct ff_value *kwargs, struct ff_err *err)
{
	const char *folder;
	int rc;

	rc = ff_kwargs_text(kwargs, "chdir", &folder, err);
	if (!rc && folder && *folder)
		rc = enter_folder(folder, err);
	if (!rc)
		rc = apply_env(kwargs, err);
	return rc ? rc : change_nice(ff_dict_int(kwargs, "nice", 0), err);
}

int ff_builtin_configure(struct ff_worker *worker, struct ff_channel *channel,
			 const struct ff_request *request, struct ff_err *err)
{
	struct ff_value entry[2], dict;
	char cwd[PATH_MAX];
	int rc;

	rc = ff_configure_apply(request->kwargs, err);
	if (rc)
		return rc;
	if (!getcwd(cwd, sizeof(cwd)))
		return ff_err_sys(err, errno, "cannot tell the working directory");
	entry[0] = ff_str("cwd");
	entry[1] = ff_is_utf8(cwd, strlen(cwd)) ? ff_str(cwd) : ff_bytes(cwd, strlen(cwd));
	dict = ff_collection(FF_DICT, entry, 1);
	rc = ff_channel_send(channel, &dict, err);
	return rc ? rc : FF_EXEC_DONE;
}

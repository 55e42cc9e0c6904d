/* The stage that sets resource limits. Knows libc only. */
#include "worker/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { CANNOT_RUN = 126, NOT_FOUND = 127 };

static const struct {
	const char *name;
	int resource;
} limits_known[] = {
	{"as", RLIMIT_AS},	   {"core", RLIMIT_CORE},   {"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},	   {"fsize", RLIMIT_FSIZE}, {"memlock", RLIMIT_MEMLOCK},
	{"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"stack", RLIMIT_STACK},
};

static int find_resource(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(limits_known) / sizeof(limits_known[0]); i++) {
		if (strlen(limits_known[i].name) == len && !memcmp(limits_known[i].name, name, len))
			return limits_known[i].resource;
	}
	return -1;
}

static int limits_text(const struct ff_value *rlimits, struct ff_buf *text, struct ff_err *err)
{
	const struct ff_value *name, *value;
	size_t i;

	if (rlimits->kind != FF_DICT)
		return ff_err_set(err, FF_EINVAL, "rlimits must be a dict of str to int");
	for (i = 0; i < rlimits->len; i++) {
		name = &rlimits->items[2 * i];
		value = name + 1;
		if (name->kind != FF_STR || value->kind != FF_INT)
			return ff_err_set(err, FF_EINVAL, "rlimits must be a dict of str to int");
		if (find_resource(name->text, name->len) < 0)
			return ff_err_set(err, FF_EINVAL, "unknown rlimit '%s'", name->text);
		if (ff_buf_addf(text, "%s%s=%lld", i ? "," : "", name->text,
				(long long)value->integer))
			return ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	return 0;
}

int ff_limits_argv(const struct ff_value *rlimits, char *const *argv, struct ff_strv *out,
		   struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *limits;
	int rc;

	rc = limits_text(rlimits, &text, err);
	if (!rc) {
		limits = ff_buf_str(&text);
		if (!limits || ff_strv_add(out, "farflung-worker") ||
		    ff_strv_add(out, "--limits") || ff_strv_add(out, limits) ||
		    ff_strv_add_all(out, argv))
			rc = ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	ff_buf_release(&text);
	return rc;
}

static int cannot_run(const char *program, int errnum, struct ff_err *err)
{
	return ff_err_set(err, FF_ESPAWN, "cannot run '%s': %s", program, strerror(errnum));
}

static int check_file(const char *file)
{
	struct stat st;

	if (stat(file, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EACCES;
	return access(file, X_OK) ? errno : 0;
}

int ff_limits_find(const char *program, const char *cwd, const char *path, struct ff_err *err)
{
	struct ff_buf file = FF_BUF_INIT;
	int errnum = ENOENT, found = 0;
	size_t len;

	if (strchr(program, '/')) {
		if (cwd && program[0] != '/')
			return 0;
		errnum = check_file(program);
		return errnum ? cannot_run(program, errnum, err) : 0;
	}
	for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; path && !found;
	     path = path[len] ? path + len + 1 : NULL) {
		int here;

		len = strcspn(path, ":");
		if (!len || path[0] != '/') {
			found = 1; /* relative to a directory we are not in */
			continue;
		}
		ff_buf_clear(&file);
		ff_buf_add(&file, path, len);
		ff_buf_addf(&file, "/%s", program);
		here = ff_buf_str(&file) ? check_file(ff_buf_str(&file)) : ENOENT;
		found = here == 0;
		if (here == EACCES)
			errnum = EACCES;
	}
	ff_buf_release(&file);
	return found ? 0 : cannot_run(program, errnum, err);
}

static int set_limit(const char *name, size_t len, long long value)
{
	int resource = find_resource(name, len);
	struct rlimit limit;

	if (resource < 0)
		return EINVAL;
	limit.rlim_cur = limit.rlim_max = value < 0 ? RLIM_INFINITY : (rlim_t)value;
	if (!setrlimit((__rlimit_resource_t)resource, &limit))
		return 0;
	/* The hard limit may be lower already, and can't be raised again: take what there is. */
	if (errno == EPERM && !getrlimit((__rlimit_resource_t)resource, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		return setrlimit((__rlimit_resource_t)resource, &limit) ? errno : 0;
	}
	return errno;
}

int ff_limits_exec(const char *limits, char *const *argv)
{
	const char *at = limits, *equals;
	char *end;
	int rc;

	while (*at && (equals = strchr(at, '='))) {
		long long value = strtoll(equals + 1, &end, 10);

		rc = set_limit(at, (size_t)(equals - at), value);
		if (rc) {
			fprintf(stderr, "farflung-worker: cannot set rlimit %.*s: %s\n",
				(int)(equals - at), at, strerror(rc));
			return CANNOT_RUN;
		}
		at = *end ? end + 1 : end;
	}
	if (!argv[0])
		return CANNOT_RUN;
	execvp(argv[0], argv);
	rc = errno;
	fprintf(stderr, "farflung-worker: cannot run '%s': %s\n", argv[0], strerror(rc));
	return rc == ENOENT ? NOT_FOUND : CANNOT_RUN;
}

/* The stage that sets resource limits. Knows libc only. */
#include "worker/limits.h"

#include <errno.h>
#include <fcntl.h>
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

static int rlimits_text(const struct ff_value *rlimits, struct ff_buf *text, struct ff_err *err)
{
	const struct ff_value *name, *value;
	size_t i;

	if (!rlimits)
		return 0;
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

int ff_limits_argv(const struct ff_limits *limits, char *const *argv, struct ff_strv *out,
		   struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *words;
	int rc;

	rc = rlimits_text(limits->rlimits, &text, err);
	if (!rc && limits->data > 0)
		ff_buf_addf(&text, "%sdata=%lld", text.len ? "," : "", (long long)limits->data);
	/* The last: its path may have any letters. */
	if (!rc && limits->cgroup)
		ff_buf_addf(&text, "%scgroup=%s", text.len ? "," : "", limits->cgroup);
	if (!rc) {
		words = ff_buf_str(&text);
		if (!words || ff_strv_add(out, "farflung-worker") || ff_strv_add(out, "--limits") ||
		    ff_strv_add(out, words) || ff_strv_add_all(out, argv))
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

/* 0 or errno. */
static int join(const char *cgroup)
{
	struct ff_buf path = FF_BUF_INIT;
	int fd = -1, rc = 0;

	ff_buf_addf(&path, "%s/cgroup.procs", cgroup);
	if (ff_buf_str(&path))
		fd = open(ff_buf_str(&path), O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		rc = errno;
	if (fd >= 0)
		close(fd);
	ff_buf_release(&path);
	return rc;
}

int ff_limits_exec(const char *limits, char *const *argv)
{
	const char *at = limits, *equals;
	char *end;
	int rc;

	while (*at && (equals = strchr(at, '='))) {
		long long value;

		if (strncmp(at, "cgroup=", 7) == 0) {
			rc = join(equals + 1);
			if (!rc)
				break;
			fprintf(stderr, "farflung-worker: cannot join cgroup %s: %s\n", equals + 1,
				strerror(rc));
			return CANNOT_RUN;
		}
		value = strtoll(equals + 1, &end, 10);
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

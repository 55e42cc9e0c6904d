/* Recognition, and the two kinds that take a moment. */
#include "worker/foreign.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/utf8.h"
#include "worker/configure.h"
#include "worker/worker.h"

enum { WORDS_MAX = 4, SETTINGS_MAX = 1024 };

struct kind {
	const char *file;	      /* NULL: a bare text */
	const char *call;	      /* NULL: a module or a bare text */
	const char *words[WORDS_MAX]; /* all are in the text */
	ff_builtin_fn *start;
};

static const struct kind kinds[] = {
	{"gateway_io.py", NULL, {"__channelexec__", "serve_proxy_io"}, ff_builtin_proxy},
	{"gateway.py", "rinfo_source", {"sys.executable", "os.getpid()"}, ff_foreign_rinfo},
	{"socketserver.py", NULL, {"__channelexec__", "bind_and_listen"}, ff_foreign_listen},
	{"rsync_remote.py", NULL, {"__channelexec__", "serve_rsync"}, ff_foreign_mirror},
	{NULL,
	 NULL,
	 {"path, nice, env = channel.receive()", "os.chdir(path)", "os.nice(nice)",
	  "os.environ[name] = value"},
	 ff_foreign_settings},
};

/* The file's own name, whichever way its folders are written. */
static bool is_file(const char *path, const char *name)
{
	const char *base = path;

	for (; *path; path++) {
		if (*path == '/' || *path == '\\')
			base = path + 1;
	}
	return !strcmp(base, name);
}

static bool is_kind(const struct ff_request *request, const struct kind *kind)
{
	size_t i;

	if (!kind->file != !request->file_name || !kind->call != !request->call_name)
		return false;
	if (kind->file && !is_file(request->file_name, kind->file))
		return false;
	if (kind->call && strcmp(request->call_name, kind->call) != 0)
		return false;
	/* Without an origin, the text has to be short enough to do nothing else. */
	if (!kind->file && request->source->len > SETTINGS_MAX)
		return false;
	for (i = 0; i < WORDS_MAX && kind->words[i]; i++) {
		if (!memmem(request->source->text, request->source->len, kind->words[i],
			    strlen(kind->words[i])))
			return false;
	}
	return true;
}

ff_builtin_fn *ff_foreign_find(const struct ff_request *request)
{
	size_t i;

	if (request->source->kind != FF_STR)
		return NULL;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (is_kind(request, &kinds[i]))
			return kinds[i].start;
	}
	return NULL;
}

/* --- rinfo --- */

/* version_info is the worker's own: there is no Python that could have one. */
int ff_foreign_rinfo(struct ff_worker *worker, struct ff_channel *channel,
		     const struct ff_request *request, struct ff_err *err)
{
	int number[3] = {0};
	char exe[PATH_MAX], cwd[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct ff_value version[5], entries[10], dict;

	exe[len > 0 ? len : 0] = '\0';
	if (!getcwd(cwd, sizeof(cwd)))
		cwd[0] = '\0';
	sscanf(FARFLUNG_VERSION, "%d.%d.%d", &number[0], &number[1], &number[2]);
	for (int i = 0; i < 3; i++)
		version[i] = ff_int(number[i]);
	version[3] = ff_str("native");
	version[4] = ff_int(0);
	entries[0] = ff_str("executable");
	entries[1] = ff_is_utf8(exe, strlen(exe)) ? ff_str(exe) : ff_bytes(exe, strlen(exe));
	entries[2] = ff_str("version_info");
	entries[3] = ff_collection(FF_TUPLE, version, 5);
	entries[4] = ff_str("platform");
	entries[5] = ff_str("linux");
	entries[6] = ff_str("cwd");
	entries[7] = ff_is_utf8(cwd, strlen(cwd)) ? ff_str(cwd) : ff_bytes(cwd, strlen(cwd));
	entries[8] = ff_str("pid");
	entries[9] = ff_int(getpid());
	dict = ff_collection(FF_DICT, entries, 5);
	if (ff_channel_send(channel, &dict, err))
		return err->code;
	return FF_EXEC_DONE;
}

/* --- settings --- */

/* (chdir or None, nice, env or None) */
static int apply(const struct ff_value *item, struct ff_err *err)
{
	const struct ff_value *folder = ff_at(item, 0), *nice = ff_at(item, 1);
	const struct ff_value *env = ff_at(item, 2);
	struct ff_value entries[6], kwargs;

	if (!folder || !nice || !env)
		return ff_err_set(err, FF_EINVAL, "a tuple of chdir, nice and env was expected");
	entries[0] = ff_str("chdir");
	entries[1] = *folder;
	entries[2] = ff_str("nice");
	entries[3] = *nice;
	entries[4] = ff_str("env");
	entries[5] = *env;
	kwargs = ff_collection(FF_DICT, entries, 3);
	return ff_configure_apply(&kwargs, err);
}

static void on_settings(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_exec *exec = ctx;
	struct ff_err err;

	if (item) {
		ff_channel_close(channel, apply(&item->value, &err) ? err.text : NULL);
		return; /* the end marker follows */
	}
	ff_exec_finish(exec, NULL);
	ff_free(exec);
}

int ff_foreign_settings(struct ff_worker *worker, struct ff_channel *channel,
			const struct ff_request *request, struct ff_err *err)
{
	struct ff_exec *exec = ff_calloc(1, sizeof(*exec));

	if (!exec)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ff_exec_begin(exec, worker, channel, NULL);
	ff_channel_set_callback(channel, on_settings, exec);
	return FF_EXEC_RUNNING;
}

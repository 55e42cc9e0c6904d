/* Texts that begin with "#!": run by the interpreter they name, what they print comes back line by
 * line. The text is handed over as an open file, so that nothing is ever left in a folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "worker/exec.h"
#include "worker/lines.h"
#include "worker/run.h"
#include "worker/worker.h"

struct script {
	struct ff_exec exec;
	struct ff_run run;
	struct ff_lines out, err;
	int fd; /* the text; its path for the interpreter is one of ours in /proc */
};

static struct script *of_run(struct ff_run *run)
{
	return ff_container_of(run, struct script, run);
}

/* --- output --- */

static void send_line(void *ctx, const char *text, size_t len)
{
	struct script *script = ctx;
	struct ff_pack pack;

	ff_exec_pack(script->exec.worker, &pack);
	ff_pack_strn(&pack, text, len);
	ff_exec_send(&script->exec, &pack);
}

static void on_output(struct ff_run *run, bool is_err, const void *bytes, size_t len)
{
	struct script *script = of_run(run);

	ff_exec_lost(&script->exec, ff_lines_feed(is_err ? &script->err : &script->out, bytes, len,
						  send_line, script));
	if (ff_exec_full(&script->exec))
		ff_run_read(run, false);
}

static void on_finished(struct ff_run *run)
{
	struct script *script = of_run(run);
	int status = ff_process_status(run->process);
	char text[64];

	ff_exec_lost(&script->exec, ff_lines_end(&script->out, send_line, script));
	ff_exec_lost(&script->exec, ff_lines_end(&script->err, send_line, script));
	ff_process_status_text(status, text, sizeof(text));
	if (run->lost[0])
		ff_exec_finish(&script->exec, run->lost);
	else
		ff_exec_finish(&script->exec, status ? text : NULL);
}

static void script_free(struct script *script)
{
	ff_lines_release(&script->out);
	ff_lines_release(&script->err);
	if (script->fd >= 0)
		close(script->fd);
	ff_free(script);
}

static void on_closed(struct ff_run *run)
{
	script_free(of_run(run));
}

static const struct ff_run_ops run_ops = {
	.output = on_output,
	.finished = on_finished,
	.closed = on_closed,
};

/* --- control --- */

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	if (!item && ff_exec_closed_by_peer(channel))
		ff_run_end(&((struct script *)ctx)->run, true);
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	ff_run_read(&((struct script *)ctx)->run, true);
}

static void end(struct ff_exec *exec, bool now)
{
	struct script *script = ff_container_of(exec, struct script, exec);

	ff_run_limit_grace(&script->run, FF_WORKER_GRACE_US);
	ff_run_end(&script->run, now);
}

/* --- the start --- */

static int text_file(const struct ff_value *text, struct ff_err *err)
{
	char path[] = "/tmp/farflung-XXXXXX";
	int fd;

	fd = memfd_create("script", MFD_CLOEXEC);
	if (fd < 0) {
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		return ff_err_sys(err, errno, "cannot store the script");
	if (ff_write_all(fd, text->text, text->len)) {
		ff_err_sys(err, errno, "cannot store the script");
		close(fd);
		return FF_ESYS;
	}
	return fd;
}

/* As the kernel reads the first line: an interpreter, and at most one argument. */
static int interpreter_argv(const struct ff_value *text, int fd, struct ff_strv *argv,
			    struct ff_err *err)
{
	const char *newline = memchr(text->text, '\n', text->len);
	size_t len = newline ? (size_t)(newline - text->text) : text->len, word;
	struct ff_buf line = FF_BUF_INIT;
	const char *at = NULL;
	int rc = ff_buf_add(&line, text->text + 2, len - 2);

	if (rc)
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	if (!memchr(text->text, '\0', len)) {
		while (line.len && strchr(" \t\r", ff_buf_data(&line)[line.len - 1]))
			line.len--;
		at = ff_buf_str(&line);
	}
	at = at ? at + strspn(at, " \t") : "";
	word = strcspn(at, " \t");
	if (!word) {
		ff_buf_release(&line);
		return ff_err_set(err, FF_EINVAL, "the script's first line names no interpreter");
	}
	rc = ff_strv_addf(argv, "%.*s", (int)word, at);
	at += word + strspn(at + word, " \t");
	if (!rc && *at)
		rc = ff_strv_add(argv, at);
	if (!rc)
		rc = ff_strv_addf(argv, "/proc/%d/fd/%d", (int)getpid(), fd);
	ff_buf_release(&line);
	return rc ? ff_err_set(err, rc, "out of memory") : 0;
}

static int start(struct script *script, struct ff_worker *worker, const struct ff_value *text,
		 struct ff_err *err)
{
	struct ff_run_opts opts = {.grace_us = FF_RUN_GRACE_US, .leak_us = FF_RUN_LEAK_US};
	struct ff_strv argv = FF_STRV_INIT;
	int rc;

	script->fd = text_file(text, err);
	if (script->fd < 0)
		return script->fd;
	rc = interpreter_argv(text, script->fd, &argv, err);
	if (!rc) {
		opts.spawn = (struct ff_spawn){
			.argv = argv.v,
			.exec_fd = -1,
			.stdin_null = true,
			.die_with_parent = true,
		};
		rc = ff_run_start(&script->run, &worker->loop, &opts, &run_ops, err);
	}
	ff_strv_release(&argv);
	return rc;
}

int ff_builtin_script(struct ff_worker *worker, struct ff_channel *channel,
		      const struct ff_request *request, struct ff_err *err)
{
	struct script *script = ff_calloc(1, sizeof(*script));
	int rc;

	if (!script)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ff_lines_init(&script->out);
	ff_lines_init(&script->err);
	script->fd = -1;
	rc = start(script, worker, request->source, err);
	if (rc) {
		script_free(script);
		return rc;
	}
	script->exec.pid = ff_process_pid(script->run.process);
	ff_exec_begin(&script->exec, worker, channel, end);
	ff_channel_set_drain(channel, on_drain, script);
	ff_channel_set_callback(channel, on_item, script);
	return FF_EXEC_RUNNING;
}

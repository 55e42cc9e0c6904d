/* An opener's connection: what is launched, and the bytes to and fro. It reports to the state
 * machine and decides nothing. */
#include <string.h>

#include "base/alloc.h"
#include "io/trace.h"
#include "transport/opener.h"
#include "worker/bootstrap.h"

/* --- what the transport says --- */

static void on_opened(struct ff_conn *conn, void *ctx)
{
	ff_opener_line_up(ctx);
}

static void on_data(struct ff_conn *conn, const void *bytes, size_t len, void *ctx)
{
	ff_opener_line_data(ctx, bytes, len);
}

static void on_stderr(struct ff_conn *conn, const void *bytes, size_t len, void *ctx)
{
	ff_opener_stderr(ctx, bytes, len);
}

static void on_sent(struct ff_conn *conn, void *ctx)
{
	struct ff_opener *opener = ctx;

	if (opener->out.len == 0)
		ff_loop_defer(opener->loop, &opener->flush);
}

static void on_closed(struct ff_conn *conn, const struct ff_err *err, void *ctx)
{
	struct ff_opener *opener = ctx;

	opener->line = FF_LINE_CLOSED;
	ff_buf_clear(&opener->out);
	/* Not under the driver's feet. */
	ff_loop_defer(opener->loop, &opener->reap);
	ff_opener_line_down(opener, err);
}

static void on_no_template(struct ff_conn *conn, const char *why, void *ctx)
{
	const struct ff_opener *opener = ctx;

	if (opener->opts.no_template)
		opener->opts.no_template(opener->gateway, why, opener->opts.ctx);
}

static const struct ff_conn_ops conn_ops = {
	.opened = on_opened,
	.data = on_data,
	.no_template = on_no_template,
	.stderr_data = on_stderr,
	.sent = on_sent,
	.closed = on_closed,
};

/* --- connecting --- */

/* Both are one command for any login shell, and tell the worker to trace as we do. */
static int add_upload(struct ff_buf *command)
{
	static const char exec[] = "exec ";
	const char *word = ff_trace_word(), *text;
	struct ff_buf plain = FF_BUF_INIT;
	int rc;

	if (!word)
		return ff_bootstrap_upload_command(command);
	rc = ff_bootstrap_upload_command(&plain);
	text = ff_buf_str(&plain);
	if (rc == 0 && text && strncmp(text, exec, strlen(exec)) == 0)
		rc = ff_buf_addf(command, "exec env %s=%s %s", ff_trace_variable(), word,
				 text + strlen(exec));
	else if (rc == 0)
		rc = FF_ENOMEM;
	ff_buf_release(&plain);
	return rc;
}

static int add_interpreter(struct ff_buf *command, const struct ff_xspec *spec)
{
	const char *word = ff_trace_word();
	int rc = word ? ff_buf_addf(command, "env %s=%s ", ff_trace_variable(), word) : 0;

	return rc == 0 ? ff_bootstrap_python_command(command, spec, NULL) : rc;
}

static int add_shell(struct ff_strv *argv, const char *command)
{
	int rc = command ? ff_strv_add(argv, "/bin/sh") : FF_ENOMEM;

	if (rc == 0)
		rc = ff_strv_add(argv, "-c");
	return rc == 0 ? ff_strv_add(argv, command) : rc;
}

static int add_native(struct ff_opener *opener, struct ff_strv *argv, struct ff_buf *command,
		      struct ff_launch *launch, struct ff_err *err)
{
	int rc;

	launch->native = true;
	opener->exec_file = opener->transport->local && !opener->no_file;
	if (opener->exec_file) {
		launch->exec_fd = ff_bootstrap_image_fd(err);
		return launch->exec_fd < 0 ? FF_ESPAWN : ff_strv_add(argv, "farflung-worker");
	}
	rc = add_upload(command);
	return rc == 0 ? add_shell(argv, ff_buf_str(command)) : rc;
}

/* On this machine words are taken as they are, and "~" is the user's home as it is in a shell's
 * command elsewhere. Another machine's home is for a shell there to know. */
static int add_python(struct ff_strv *argv, struct ff_buf *command, const struct ff_xspec *spec,
		      struct ff_err *err)
{
	struct ff_buf line = FF_BUF_INIT;
	int rc = 0;

	if (spec->popen && spec->via && spec->python && strchr(spec->python, '~')) {
		rc = ff_bootstrap_python_home_command(&line, spec, err);
		if (rc == 0)
			rc = add_shell(argv, ff_buf_str(&line));
	} else if (spec->popen) {
		rc = ff_bootstrap_python_argv(argv, spec, NULL, err);
	}
	ff_buf_release(&line);
	return rc == 0 ? add_interpreter(command, spec) : rc;
}

int ff_opener_connect(struct ff_opener *opener, struct ff_err *err)
{
	const struct ff_xspec *spec = ff_gateway_spec(opener->gateway);
	struct ff_launch launch = {.exec_fd = -1,
				   .inherit = opener->opts.inherit_fd,
				   .line = opener->opts.line_fd,
				   .template_us = opener->connect_timeout_us / 2};
	const char *text = opener->opts.template_source;
	struct ff_strv argv = FF_STRV_INIT;
	struct ff_buf command = FF_BUF_INIT, template = FF_BUF_INIT;
	int rc;

	if (err)
		*err = (struct ff_err){0};
	rc = opener->native ? add_native(opener, &argv, &command, &launch, err)
			    : add_python(&argv, &command, spec, err);
	if (rc == 0 && text && !opener->native)
		rc = ff_bootstrap_text_line(&template, text, strlen(text));
	if (rc == 0) {
		launch.template = &template;
		launch.argv = argv.v;
		launch.command = ff_buf_str(&command);
		opener->conn = (struct ff_conn){
			.transport = opener->transport,
			.loop = opener->loop,
			.group = ff_gateway_group(opener->gateway),
			.spec = spec,
			.out = &opener->out,
			.ops = &conn_ops,
			.ctx = opener,
			.status = -1,
		};
		ff_buf_clear(&opener->out);
		ff_buf_clear(&opener->early);
		ff_buf_clear(&opener->noise_text);
		opener->noise = 0;
		opener->marked = false;
		opener->needs = 0;
		opener->write_closed = false;
		opener->line = FF_LINE_LIVE;
		rc = opener->transport->open(&opener->conn, &launch, err);
		if (rc != 0)
			opener->line = FF_LINE_NONE;
	}
	if (rc != 0 && err && err->code == 0)
		ff_err_set(err, rc, "%s", ff_err_text(rc));
	ff_strv_release(&argv);
	ff_buf_release(&command);
	ff_buf_release(&template);
	return rc;
}

/* --- output --- */

/* Frames may flow, and there are some. */
static bool frames_wait(const struct ff_opener *opener)
{
	return opener->state >= FF_OPENER_GREETING && opener->state != FF_OPENER_FAILED &&
	       ff_gateway_state(opener->gateway) != FF_GATEWAY_CLOSED &&
	       ff_gateway_output(opener->gateway)->len > 0;
}

/* The gateway's output changes hands as a whole, when the line has taken what it had. */
static void take_frames(struct ff_opener *opener)
{
	struct ff_buf *from = ff_gateway_output(opener->gateway), moved = *from;

	from->mem = opener->out.mem;
	from->cap = opener->out.cap;
	from->off = from->len = 0;
	moved.max = 0;
	opener->out = moved;
}

static void flush_frames(struct ff_opener *opener)
{
	while (opener->line == FF_LINE_LIVE && opener->out.len == 0 && frames_wait(opener)) {
		take_frames(opener);
		opener->conn.transport->flush(&opener->conn);
		if (opener->line == FF_LINE_LIVE)
			ff_gateway_sent(opener->gateway);
	}
}

void ff_opener_flush(struct ff_opener *opener)
{
	if (opener->line != FF_LINE_LIVE)
		return;
	if (opener->out.len > 0)
		opener->conn.transport->flush(&opener->conn);
	flush_frames(opener);
	if (opener->line == FF_LINE_LIVE && opener->out.len == 0 && !opener->write_closed &&
	    ff_gateway_exiting(opener->gateway)) {
		opener->write_closed = true;
		opener->conn.transport->close_write(&opener->conn);
	}
}

void ff_opener_kill_line(struct ff_opener *opener)
{
	if (opener->line == FF_LINE_LIVE)
		opener->conn.transport->kill(&opener->conn);
}

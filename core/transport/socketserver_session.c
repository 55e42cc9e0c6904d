/* One connection of a socket server: handshake, the line, then bytes between the peer and a worker.
 * Knows nothing of frames. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/process.h"
#include "transport/socket.h"
#include "transport/socketserver_session.h"
#include "io/loop_private.h"

enum {
	HIGH = 1 << 20, /* bytes that wait in one direction: the other side is not read then */
	PLAIN_CHUNK = 16 << 10,
	LAST_WORDS_US = 1000000, /* for an alert to arrive */
	FLUSH_S = 20,		 /* for the last output to be taken */
	END_S = 20,		 /* for the worker to end when its peer has ended */
	LEAK_US = 500000,	 /* what outlives the worker may hold its output open */
};

static const char *const state_names[] = {
#define X(name, text) text,
	FF_SESSION_STATE_MAP(X)
#undef X
};

static void set_state(struct ff_session *session, enum ff_session_state state)
{
	if (ff_log_on())
		ff_log("%s: %s -> %s", session->peer, state_names[session->state],
		       state_names[state]);
	session->state = state;
}

static void after(struct ff_session *session, int64_t us)
{
	ff_timer_set(&session->timer, ff_clock_us() + us);
}

static void settle(struct ff_session *session)
{
	if (session->pending)
		session->server->num_pending--;
	session->pending = false;
}

/* --- the end --- */

static void free_if_done(struct ff_session *session)
{
	struct ff_socketserver *server = session->server;

	if (session->net_open || session->work_open || session->timing)
		return;
	ff_tls_free(session->tls);
	ff_buf_release(&session->wire);
	ff_buf_release(&session->to_worker);
	ff_list_del(&session->node);
	server->num_sessions--;
	ff_free(session);
	ff_socketserver_left(server);
}

static void on_net_closed(struct ff_stream *stream, void *ctx)
{
	struct ff_session *session = ctx;

	session->net_open = false;
	free_if_done(session);
}

static void on_work_closed(struct ff_stream *stream, void *ctx)
{
	struct ff_session *session = ctx;

	session->work_open = false;
	free_if_done(session);
}

static void on_timer_closed(struct ff_timer *timer)
{
	struct ff_session *session = timer->ctx;

	session->timing = false;
	free_if_done(session);
}

/* The worker, if any, sees the end of its input. */
static void close_session(struct ff_session *session, int64_t kill_at_us)
{
	if (session->state == FF_SESSION_CLOSED)
		return;
	settle(session);
	set_state(session, FF_SESSION_CLOSED);
	if (session->net_open)
		ff_stream_close(&session->net, on_net_closed);
	if (session->work_open)
		ff_stream_close(&session->work, on_work_closed);
	if (session->pid)
		ff_timer_set(&session->timer, kill_at_us);
	else
		ff_timer_close(&session->timer, on_timer_closed);
}

static void close_soon(struct ff_session *session)
{
	close_session(session, ff_clock_us() + END_S * FF_SECOND_US);
}

/* No more for the peer: what waits is sent, then it has its time to read that. */
static void say_goodbye(struct ff_session *session, int64_t us)
{
	settle(session);
	set_state(session, FF_SESSION_ENDING);
	after(session, us);
	if (!session->net_eof)
		ff_stream_read(&session->net, true);
	ff_stream_shutdown(&session->net);
	if (session->net_eof && session->wire.len == 0)
		close_soon(session);
}

void ff_session_refuse(struct ff_session *session, int code, const char *words)
{
	ff_socketserver_log(session->server, "%s: refused: %s", session->peer, words);
	if (session->state != FF_SESSION_ENDING)
		say_goodbye(session, LAST_WORDS_US);
}

void ff_session_stop(struct ff_session *session, int64_t kill_at_us)
{
	if (session->state != FF_SESSION_CLOSED)
		close_session(session, kill_at_us);
	else if (session->pid)
		ff_timer_set(&session->timer, kill_at_us);
}

/* --- from the worker to the peer --- */

static void send_on(struct ff_session *session, const void *bytes, size_t len)
{
	struct ff_buf plain = FF_BUF_INIT;
	int rc = 0;

	if (!session->tls) {
		rc = ff_buf_add(&session->wire, bytes, len);
	} else {
		rc = ff_buf_add(&plain, bytes, len);
		if (rc == 0)
			rc = ff_tls_write(session->tls, &plain, &session->wire, SIZE_MAX, NULL);
		ff_buf_release(&plain);
	}
	if (rc != 0) {
		ff_socketserver_log(session->server, "%s: out of memory", session->peer);
		close_soon(session);
		return;
	}
	ff_stream_flush(&session->net);
}

static void on_work_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	struct ff_session *session = ctx;

	send_on(session, bytes, len);
	if (session->state == FF_SESSION_RUNNING && session->wire.len > HIGH)
		ff_stream_read(&session->work, false);
}

static void worker_ended(struct ff_session *session)
{
	if (session->work_eof || session->state != FF_SESSION_RUNNING)
		return;
	session->work_eof = true;
	if (session->tls)
		ff_tls_end(session->tls, &session->wire);
	say_goodbye(session, FLUSH_S * FF_SECOND_US);
}

static void on_work_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	worker_ended(ctx);
}

static void on_work_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_session *session = ctx;

	/* If it reads no more, its end will be seen soon. */
	if (session->state == FF_SESSION_RUNNING && !session->net_eof)
		ff_stream_read(&session->net, true);
}

static const struct ff_stream_ops work_ops = {
	.data = on_work_data,
	.eof = on_work_eof,
	.drained = on_work_drained,
};

/* --- from the peer to the worker --- */

static void cannot_start(struct ff_session *session, bool native, const struct ff_err *err)
{
	struct ff_buf answer = FF_BUF_INIT;

	ff_socketserver_log(session->server, "%s: cannot start a worker: %s", session->peer,
			    err->text);
	if (native && ff_buf_addf(&answer, "farflung-no %s\n", err->text) == 0)
		send_on(session, ff_buf_data(&answer), answer.len);
	ff_buf_release(&answer);
	if (session->state == FF_SESSION_CLOSED)
		return;
	if (session->tls)
		ff_tls_end(session->tls, &session->wire);
	say_goodbye(session, FLUSH_S * FF_SECOND_US);
}

static void start_worker(struct ff_session *session, bool native)
{
	static const char runs[] = "farflung-run\n";
	struct ff_err err = {0};
	int fd = ff_session_spawn(session, native, &err);

	if (fd < 0) {
		cannot_start(session, native, &err);
		return;
	}
	ff_socketserver_log(session->server, "%s: %s worker runs, pid %d", session->peer,
			    native ? "native" : "python", (int)session->pid);
	set_state(session, FF_SESSION_RUNNING);
	ff_timer_set(&session->timer, FF_NEVER_US);
	if (ff_stream_open(&session->work, session->server->loop, fd, &session->to_worker,
			   &work_ops, session, &err) != 0) {
		ff_socketserver_log(session->server, "%s: %s", session->peer, err.text);
		close_soon(session);
		return;
	}
	session->work_open = true;
	if (native)
		send_on(session, runs, sizeof(runs) - 1);
	if (session->state == FF_SESSION_RUNNING) {
		ff_stream_read(&session->work, true);
		ff_stream_flush(&session->work);
	}
	ff_socketserver_served(session->server);
}

static void look_for_line(struct ff_session *session, size_t from)
{
	static const char native_line[] = FF_SOCKET_NATIVE_LINE;
	struct ff_buf *got = &session->to_worker;
	const uint8_t *newline = memchr(ff_buf_data(got) + from, '\n', got->len - from);
	size_t len;
	bool native;

	if (!newline)
		return;
	len = (size_t)(newline - ff_buf_data(got)) + 1;
	native = len == sizeof(native_line) - 1 && memcmp(ff_buf_data(got), native_line, len) == 0;
	settle(session);
	if (native)
		ff_buf_consume(got, len);
	got->max = 0;
	start_worker(session, native);
}

/* Plain bytes from the peer. */
static void take(struct ff_session *session, const void *bytes, size_t len)
{
	struct ff_buf *to = &session->to_worker;
	size_t before = to->len;
	int rc;

	if (session->state != FF_SESSION_ASKING && session->state != FF_SESSION_RUNNING)
		return;
	rc = ff_buf_add(to, bytes, len);
	if (rc != 0 && session->state == FF_SESSION_ASKING) {
		ff_session_refuse(session, rc, "the line to execute is too long");
	} else if (rc != 0) {
		close_soon(session);
	} else if (session->state == FF_SESSION_ASKING) {
		look_for_line(session, before);
	} else {
		ff_stream_flush(&session->work);
		if (session->state == FF_SESSION_RUNNING && to->len > HIGH)
			ff_stream_read(&session->net, false);
	}
}

static void end_input(struct ff_session *session)
{
	session->net_eof = true;
	if (session->state == FF_SESSION_RUNNING) {
		ff_stream_shutdown(&session->work);
		after(session, END_S * FF_SECOND_US);
	} else if (session->state == FF_SESSION_ENDING) {
		if (session->wire.len == 0)
			close_soon(session);
	} else if (session->state != FF_SESSION_CLOSED) {
		ff_socketserver_log(session->server, "%s: refused: it left without a word",
				    session->peer);
		close_soon(session);
	}
}

static void take_cipher(struct ff_session *session)
{
	uint8_t plain[PLAIN_CHUNK];
	struct ff_err err = {0};
	size_t len;
	int rc = 0;

	while (rc == 0 && !session->net_eof && session->state != FF_SESSION_CLOSED) {
		rc = ff_tls_read(session->tls, plain, sizeof(plain), &len, &session->wire, &err);
		if (rc == 0)
			take(session, plain, len);
	}
	if (rc == FF_EEOF) {
		end_input(session);
	} else if (rc != 0 && rc != FF_EAGAIN) {
		ff_socketserver_log(session->server, "%s: %s", session->peer, err.text);
		close_soon(session);
	}
	if (session->net_open && session->state != FF_SESSION_CLOSED)
		ff_stream_flush(&session->net);
}

static void shake(struct ff_session *session)
{
	/* protocol_version, fatal: OpenSSL has no words for who doesn't speak TLS, our client looks
	 * for them. */
	static const uint8_t alert[] = {0x15, 3, 3, 0, 2, 2, 70};
	size_t before = session->wire.len;
	struct ff_err err = {0};
	int rc = ff_tls_handshake(session->tls, &session->wire, &err);

	if (rc == FF_EPROTO && session->wire.len == before)
		ff_buf_add(&session->wire, alert, sizeof(alert));
	ff_stream_flush(&session->net);
	if (rc == 0 && session->state == FF_SESSION_SHAKING) {
		settle(session);
		set_state(session, FF_SESSION_ASKING);
	} else if (rc != 0 && rc != FF_EAGAIN) {
		ff_session_refuse(session, rc, err.text);
	}
}

static void on_net_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	struct ff_session *session = ctx;

	if (session->state == FF_SESSION_ENDING)
		return;
	if (!session->tls) {
		take(session, bytes, len);
		return;
	}
	if (ff_tls_feed(session->tls, bytes, len) != 0) {
		close_soon(session);
		return;
	}
	if (session->state == FF_SESSION_SHAKING)
		shake(session);
	if (session->state == FF_SESSION_ASKING || session->state == FF_SESSION_RUNNING)
		take_cipher(session);
}

static void on_net_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_session *session = ctx;
	bool cut = err || (session->tls && !session->net_eof);

	if (session->state == FF_SESSION_RUNNING && cut) {
		ff_socketserver_log(session->server, "%s: the connection was lost%s%s",
				    session->peer, err ? ": " : "", err ? err->text : "");
		close_soon(session);
	} else {
		end_input(session);
	}
}

static void on_net_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_session *session = ctx;

	if (err || (session->state == FF_SESSION_ENDING && session->net_eof))
		close_soon(session);
	else if (session->state == FF_SESSION_RUNNING && session->work_open)
		ff_stream_read(&session->work, true);
}

static const struct ff_stream_ops net_ops = {
	.data = on_net_data,
	.eof = on_net_eof,
	.drained = on_net_drained,
};

/* --- the worker's end, and time --- */

void ff_session_reap(struct ff_session *session)
{
	siginfo_t info = {0};
	int status;
	char text[64];

	if (!session->pid ||
	    waitid(P_PID, (id_t)session->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    info.si_pid != session->pid)
		return;
	/* Its group has lost its controller; the number is reserved until it is reaped. */
	kill(-session->pid, SIGKILL);
	if (waitpid(session->pid, &status, 0) != session->pid)
		status = 0;
	session->pid = 0;
	ff_process_status_text(status, text, sizeof(text));
	ff_socketserver_log(session->server, "%s: the worker ended: %s", session->peer, text);
	if (session->state == FF_SESSION_CLOSED)
		ff_timer_close(&session->timer, on_timer_closed);
	else if (session->state == FF_SESSION_RUNNING)
		after(session, LEAK_US);
}

static void on_timer(struct ff_timer *timer)
{
	struct ff_session *session = timer->ctx;

	switch (session->state) {
	case FF_SESSION_SHAKING:
	case FF_SESSION_ASKING:
		ff_session_refuse(session, FF_ETIMEOUT,
				  session->state == FF_SESSION_SHAKING ? "no token in time"
								       : "no line in time");
		break;
	case FF_SESSION_ENDING:
		close_soon(session);
		break;
	case FF_SESSION_RUNNING:
	case FF_SESSION_CLOSED:
		if (session->pid)
			kill(-session->pid, SIGKILL);
		else
			worker_ended(session);
		break;
	}
}

/* --- the start --- */

static int prepare(struct ff_session *session, int fd, struct ff_err *err)
{
	struct ff_socketserver *server = session->server;

	ff_buf_init(&session->to_worker, FF_SOCKETSERVER_REQUEST_MAX);
	if (server->has_token) {
		session->tls = ff_tls_new(FF_TLS_SERVER, &server->token, err);
		if (!session->tls) {
			close(fd);
			return FF_ENOMEM;
		}
	}
	return ff_stream_open(&session->net, server->loop, fd, &session->wire, &net_ops, session,
			      err);
}

void ff_session_start(struct ff_socketserver *server, int fd, const char *peer)
{
	struct ff_session *session = ff_calloc(1, sizeof(*session));
	struct ff_err err = {.code = FF_ENOMEM, .text = "out of memory"};

	if (!session) {
		close(fd);
	} else {
		session->server = server;
		snprintf(session->peer, sizeof(session->peer), "%s", peer);
	}
	if (!session || prepare(session, fd, &err) != 0) {
		ff_socketserver_log(server, "%s: refused: %s", peer, err.text);
		if (session)
			ff_tls_free(session->tls);
		ff_free(session);
		return;
	}
	session->net_open = session->timing = session->pending = true;
	session->state = session->tls ? FF_SESSION_SHAKING : FF_SESSION_ASKING;
	ff_timer_init(&session->timer, server->loop, on_timer, session);
	ff_list_add_tail(&server->sessions, &session->node);
	server->num_sessions++;
	server->num_pending++;
	after(session, FF_SOCKETSERVER_SHAKE_S * FF_SECOND_US);
	ff_stream_read(&session->net, true);
}

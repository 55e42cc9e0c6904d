/* The running command: its input, output and end. The library can have one packet half sent; until
 * that is done only the call that began it may be made again (ssh->unfinished). */
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "io/process.h"
#include "transport/ssh_session.h"

enum { STDERR_STREAM = SSH_EXTENDED_DATA_STDERR };

/* Notes what a call has left behind. True: it is blocked. */
static bool blocked(struct ff_ssh *ssh, enum ff_ssh_op op, ssize_t rc)
{
	int directions;

	ssh->unfinished = FF_SSH_OP_NONE;
	if (rc != LIBSSH2_ERROR_EAGAIN)
		return false;
	directions = libssh2_session_block_directions(ssh->session);
	if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
		ssh->unfinished = op;
	return true;
}

static bool may(const struct ff_ssh *ssh, enum ff_ssh_op op)
{
	return ssh->unfinished == FF_SSH_OP_NONE || ssh->unfinished == op;
}

static bool ending(const struct ff_ssh *ssh)
{
	return ssh->killed || ssh->freed;
}

/* The library wants the same bytes again after EAGAIN, and the owner's buffer may move meanwhile:
 * hence a copy of what is on its way. */
static void stage(struct ff_ssh *ssh)
{
	const struct ff_buf *out = ssh->conn->out;

	if (ssh->write_len > 0)
		return;
	ssh->write_len = out->len < FF_SSH_WRITE_SIZE ? out->len : FF_SSH_WRITE_SIZE;
	memcpy(ssh->write_mem, ff_buf_data(out), ssh->write_len);
}

/* Each of these: 1: something moved, 0: nothing to do or blocked, negative: the line broke. */
static int run_write(struct ff_ssh *ssh)
{
	struct ff_conn *conn = ssh->conn;
	size_t sent = 0;
	ssize_t count = 0;

	while (conn->out->len > 0 && sent < FF_SSH_WRITE_BUDGET) {
		stage(ssh);
		count = libssh2_channel_write_ex(ssh->channel, 0, (const char *)ssh->write_mem,
						 ssh->write_len);
		if (blocked(ssh, FF_SSH_OP_WRITE, count) || count <= 0)
			break;
		ff_buf_consume(conn->out, (size_t)count);
		ssh->write_len = 0;
		sent += (size_t)count;
	}
	/* With nothing half sent the next try may stage more. */
	if (ssh->unfinished == FF_SSH_OP_NONE)
		ssh->write_len = 0;
	if (sent > 0)
		conn->ops->sent(conn, conn->ctx);
	if (sent >= FF_SSH_WRITE_BUDGET)
		ff_ssh_kick(ssh);
	if (count < 0 && count != LIBSSH2_ERROR_EAGAIN)
		return FF_ELOST;
	return sent > 0 && sent < FF_SSH_WRITE_BUDGET;
}

static int run_eof(struct ff_ssh *ssh)
{
	int rc;

	if (!ssh->eof_wanted || ssh->eof_sent || ssh->conn->out->len > 0)
		return 0;
	rc = libssh2_channel_send_eof(ssh->channel);
	if (blocked(ssh, FF_SSH_OP_EOF, rc))
		return 0;
	ssh->eof_sent = true;
	return rc == 0 ? 1 : FF_ELOST;
}

static void deliver(struct ff_ssh *ssh, enum ff_ssh_op op, size_t len)
{
	struct ff_conn *conn = ssh->conn;

	if (op == FF_SSH_OP_STDOUT)
		conn->ops->data(conn, ssh->read_mem, len, conn->ctx);
	else if (conn->ops->stderr_data)
		conn->ops->stderr_data(conn, ssh->read_mem, len, conn->ctx);
}

static int run_read(struct ff_ssh *ssh, enum ff_ssh_op op)
{
	int stream = op == FF_SSH_OP_STDOUT ? 0 : STDERR_STREAM;
	int moved = 0;

	/* Bytes may come from a call that had to be finished while reading was off: then they wait.
	 */
	if (ssh->held && ssh->reading && ssh->held_from == op) {
		size_t len = ssh->held;

		ssh->held = 0;
		deliver(ssh, op, len);
		moved = 1;
	}
	while (!ending(ssh) && !ssh->held && may(ssh, op) &&
	       (ssh->reading || ssh->unfinished == op)) {
		ssize_t count = libssh2_channel_read_ex(ssh->channel, stream, (char *)ssh->read_mem,
							FF_SSH_READ_SIZE);

		if (blocked(ssh, op, count) || count == 0)
			break;
		if (count < 0)
			return FF_ELOST;
		moved = 1;
		if (ssh->reading) {
			deliver(ssh, op, (size_t)count);
		} else {
			ssh->held = (size_t)count;
			ssh->held_from = op;
		}
	}
	return moved;
}

static bool at_eof(const struct ff_ssh *ssh)
{
	return !ssh->held && libssh2_channel_eof(ssh->channel) == 1;
}

static bool window_is_shut(const struct ff_ssh *ssh)
{
	return libssh2_channel_window_write_ex(ssh->channel, NULL) == 0;
}

/* One round through everything that can be done; as the parts, and FF_EEOF: the command ended. */
static int round_trip(struct ff_ssh *ssh)
{
	int moved = 0, rc = 0;
	bool was_shut;

	if (may(ssh, FF_SSH_OP_WRITE))
		moved |= rc = run_write(ssh);
	if (rc >= 0 && !ending(ssh) && may(ssh, FF_SSH_OP_EOF))
		moved |= rc = run_eof(ssh);
	was_shut = window_is_shut(ssh);
	if (rc >= 0 && !ending(ssh) && may(ssh, FF_SSH_OP_STDOUT))
		moved |= rc = run_read(ssh, FF_SSH_OP_STDOUT);
	if (rc >= 0 && !ending(ssh) && may(ssh, FF_SSH_OP_STDERR))
		moved |= rc = run_read(ssh, FF_SSH_OP_STDERR);
	if (rc < 0 || ending(ssh))
		return rc < 0 ? rc : 0;
	if (ssh->unfinished == FF_SSH_OP_NONE && at_eof(ssh)) {
		rc = libssh2_channel_wait_closed(ssh->channel);
		if (rc == 0)
			return FF_EEOF;
		if (rc != LIBSSH2_ERROR_EAGAIN)
			return FF_ELOST;
	}
	/* Reading may have brought the permission to write more. */
	return moved || (ssh->conn->out->len > 0 && was_shut && !window_is_shut(ssh));
}

int ff_ssh_step_running(struct ff_ssh *ssh, struct ff_err *err)
{
	char host[288];
	int rc;

	if (!ssh->opened) {
		ssh->write_mem = ff_malloc(FF_SSH_WRITE_SIZE);
		ssh->read_mem = ff_malloc(FF_SSH_READ_SIZE);
		if (!ssh->write_mem || !ssh->read_mem)
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		ssh->opened = true;
		ssh->conn->ops->opened(ssh->conn, ssh->conn->ctx);
	}
	do {
		rc = ending(ssh) ? 0 : round_trip(ssh);
	} while (rc > 0);
	if (rc == FF_EEOF)
		return 0;
	if (rc < 0)
		return ff_err_set(err, FF_ELOST, "connection to %s lost: %s",
				  ff_ssh_host_text(ssh, host), ff_ssh_loss_text(ssh));
	return FF_EAGAIN;
}

int ff_ssh_running_events(const struct ff_ssh *ssh)
{
	int directions = libssh2_session_block_directions(ssh->session);
	bool unsent = ssh->conn->out->len > 0 || (ssh->eof_wanted && !ssh->eof_sent);

	if (ssh->unfinished != FF_SSH_OP_NONE)
		return UV_WRITABLE | (directions & LIBSSH2_SESSION_BLOCK_INBOUND ? UV_READABLE : 0);
	return (ssh->reading && !ssh->held) || unsent || at_eof(ssh) ? UV_READABLE : 0;
}

/* RFC 4254, section 6.10, and what else servers send. */
static int signal_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE},	 {"HUP", SIGHUP},
		{"ILL", SIGILL},   {"INT", SIGINT},   {"KILL", SIGKILL}, {"PIPE", SIGPIPE},
		{"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"TERM", SIGTERM}, {"USR1", SIGUSR1},
		{"USR2", SIGUSR2}, {"BUS", SIGBUS},   {"SYS", SIGSYS},	 {"TRAP", SIGTRAP},
		{"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
	};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (!strncmp(signals[i].name, name, strlen(signals[i].name)))
			return signals[i].number;
	}
	return 0;
}

int ff_ssh_step_closing(struct ff_ssh *ssh, struct ff_err *err)
{
	int exit_status = libssh2_channel_get_exit_status(ssh->channel);
	char *name = NULL;
	char text[64];

	libssh2_channel_get_exit_signal(ssh->channel, &name, NULL, NULL, NULL, NULL, NULL);
	ssh->conn->status = name ? signal_number(name) : (exit_status & 0xff) << 8;
	if (name && ssh->conn->status == 0) {
		ssh->conn->status = -1;
		ff_err_set(&ssh->result, FF_ELOST, "killed by signal %s", name);
	} else if (ssh->conn->status != 0) {
		ff_process_status_text(ssh->conn->status, text, sizeof(text));
		ff_err_set(&ssh->result, FF_ELOST, "%s", text);
	}
	if (name)
		libssh2_free(ssh->session, name);
	/* Best effort: the connection ends with it anyway. */
	libssh2_channel_close(ssh->channel);
	return 0;
}

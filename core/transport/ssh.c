/* The ssh driver: a command on a remote host through libssh2, or, for what the library can't do, a
 * connection handed over to the `ssh` program. One table of steps; this file only walks it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "transport/command.h"
#include "transport/ssh_session.h"
#include "io/loop_private.h"

extern const struct ff_transport ff_transport_ssh;

static const char master_reason[] = "ControlPath";

static const struct {
	const char *name;
	int (*step)(struct ff_ssh *ssh, struct ff_err *err);
} states[] = {
#define X(name, step) [FF_SSH_##name] = {#name, step},
	FF_SSH_STATES(X)
#undef X
		[FF_SSH_DONE] = {"DONE", NULL},
};

const char *ff_ssh_host_text(struct ff_ssh *ssh, char text[288])
{
	const char *host = ssh->config->hostname;
	bool colon = strchr(host, ':') != NULL;

	snprintf(text, 288, "%s%s%s:%ld", colon ? "[" : "", host, colon ? "]" : "",
		 ssh->config->port);
	return text;
}

void ff_ssh_kick(struct ff_ssh *ssh)
{
	ssh->kick_pending = true;
	ff_loop_defer(ssh->conn->loop, &ssh->kick);
}

void ff_ssh_handle_closed(struct ff_ssh *ssh)
{
	ssh->handles--;
	if (ssh->state == FF_SSH_DONE && ssh->handles == 0)
		ff_ssh_kick(ssh);
}

static void on_timer(struct ff_timer *timer)
{
	struct ff_ssh *ssh = timer->ctx;

	if (ff_overslept(timer->late_us, ssh->limit_s * FF_SECOND_US)) {
		ff_ssh_set_timeout(ssh, ssh->limit_s);
		return;
	}
	ssh->timed_out = true;
	ff_ssh_drive(ssh);
}

static void on_timer_closed(struct ff_timer *timer)
{
	ff_ssh_handle_closed(timer->ctx);
}

void ff_ssh_set_timeout(struct ff_ssh *ssh, long seconds)
{
	ssh->timed_out = false;
	ssh->limit_s = seconds;
	ff_timer_set(&ssh->timer, seconds ? ff_clock_us() + seconds * FF_SECOND_US : FF_NEVER_US);
}

static void resolved(struct ff_ssh_waiter *waiter, const struct ff_err *err)
{
	struct ff_ssh *ssh = ff_container_of(waiter, struct ff_ssh, waiter);

	if (err)
		ssh->result = *err;
	ff_ssh_kick(ssh);
}

static int take_config(struct ff_ssh *ssh, struct ff_err *err)
{
	struct ff_conn *conn = ssh->conn;
	char host[288];
	char *command;

	ssh->config = ssh->waiter.config;
	ssh->waiter.config = NULL;
	if (ssh->config->program)
		return ff_err_set(err, FF_EUNSUPPORTED, "%s", ssh->config->program);
	if (ff_ssh_config_master(ssh->config))
		return ff_err_set(err, FF_EUNSUPPORTED, "%s", master_reason);
	snprintf(conn->peer, sizeof(conn->peer), "ssh %.160s as %.80s", ff_ssh_host_text(ssh, host),
		 ssh->config->user);
	command = ff_asprintf("%s%s", ssh->config->prefix, ssh->command);
	if (!command)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ff_free(ssh->command);
	ssh->command = command;
	return 0;
}

int ff_ssh_step_resolve(struct ff_ssh *ssh, struct ff_err *err)
{
	int rc = 1;

	if (ssh->result.code) {
		*err = ssh->result;
		return err->code;
	}
	if (!ssh->waiter.config) {
		if (ssh->waiter.entry)
			return FF_EAGAIN;
		ff_ssh_set_timeout(ssh, FF_SSH_SETUP_TIMEOUT_S);
		rc = ff_ssh_resolve(&ssh->waiter, ssh->conn->loop, ssh->conn->spec, err);
	}
	if (rc == 0)
		return FF_EAGAIN;
	return rc < 0 ? rc : take_config(ssh, err);
}

/* Gives up all that is open. What the loop still holds counts down to settle(). */
static void release_all(struct ff_ssh *ssh)
{
	ff_ssh_resolve_cancel(&ssh->waiter);
	ff_ssh_session_release(ssh);
	ff_ssh_auth_release(ssh);
	ff_ssh_connect_release(ssh);
	ff_timer_close(&ssh->timer, on_timer_closed);
}

static void finish(struct ff_ssh *ssh, const struct ff_err *err)
{
	enum ff_ssh_state failed_in = ssh->state;

	ff_log("ssh: %s: %s -> DONE%s%s", ssh->label, states[failed_in].name, err->code ? ": " : "",
	       err->text);
	release_all(ssh);
	ssh->state = FF_SSH_DONE;
	ssh->result = *err;
	switch (err->code) {
	case FF_EUNSUPPORTED:
		ssh->hand_over = true;
		break;
	case FF_ELOST:
		if (failed_in >= FF_SSH_RUNNING)
			break; /* how the worker ended: others say where */
			       /* fall through */
	case FF_EUNREACH:
	case FF_EAUTH:
	case FF_EHOSTKEY:
	case FF_ECONFIG:
	case FF_ESPAWN:
		ff_err_prefix(&ssh->result, "%s: ", ssh->label);
		break;
	}
}

static void free_memory(struct ff_ssh *ssh)
{
	ff_deferred_cancel(&ssh->kick);
	ff_ssh_config_unref(ssh->config);
	ff_ssh_config_unref(ssh->waiter.config);
	ff_strv_release(&ssh->argv);
	ff_free(ssh->command);
	ff_free(ssh->given_command);
	ff_free(ssh->label);
	ff_free(ssh);
}

/* True: the program has the connection, and `ssh` is gone. */
static bool hand_over(struct ff_ssh *ssh)
{
	struct ff_conn *conn = ssh->conn;
	struct ff_launch launch = {
		.native = ssh->native,
		.argv = ssh->argv.v,
		.exec_fd = ssh->exec_fd,
		.command = ssh->given_command,
	};
	struct ff_err err = {0};

	ff_log("ssh: %s goes to the ssh program: %s", ssh->label, ssh->result.text);
	/* Others need not find out again; but a master of connection sharing comes and goes. */
	if (ssh->config && strcmp(ssh->result.text, master_reason))
		ff_ssh_config_need_program(ssh->config, ssh->result.text);
	conn->state = NULL;
	if (!ff_command_have_ssh())
		ff_err_set(&err, FF_ESPAWN, "there is no ssh program");
	else if (ff_command_open_ssh(conn, &launch, &err) >= 0)
		err.code = 0;
	if (err.code) {
		conn->state = ssh;
		ssh->hand_over = false;
		ff_err_prefix(&err, "%s: needs the ssh program (%s): ", ssh->label,
			      ssh->result.text);
		ssh->result = err;
		return false;
	}
	snprintf(conn->peer, sizeof(conn->peer), "ssh (program: %.64s) %s", ssh->result.text,
		 ssh->config ? ssh->config->host : conn->spec->ssh);
	if (conn->out->len > 0)
		conn->transport->flush(conn);
	if (!ssh->reading)
		conn->transport->read(conn, false);
	if (ssh->eof_wanted)
		conn->transport->close_write(conn);
	free_memory(ssh);
	return true;
}

/* DONE, and the loop holds nothing of ours any more. */
static void settle(struct ff_ssh *ssh)
{
	struct ff_conn *conn = ssh->conn;
	void (*freed)(struct ff_conn *) = ssh->freed;

	if (freed) {
		free_memory(ssh);
		conn->state = NULL;
		freed(conn);
		return;
	}
	if (ssh->told)
		return;
	if (ssh->killed)
		ssh->hand_over = false;
	if (ssh->hand_over && hand_over(ssh))
		return;
	ssh->told = true;
	conn->ops->closed(conn, &ssh->result, conn->ctx);
}

static void advance(struct ff_ssh *ssh)
{
	enum ff_ssh_state old = ssh->state++;

	if (ff_log_on())
		ff_log("ssh: %s: %s -> %s", ssh->label, states[old].name, states[ssh->state].name);
}

/* One step; false: blocked, or done. */
static bool step(struct ff_ssh *ssh)
{
	struct ff_err err = {0};
	int rc;

	if (ssh->killed || ssh->freed) {
		ff_err_set(&err, FF_ECANCELED, "ended by us");
		finish(ssh, &err);
		return false;
	}
	if (ssh->timed_out && ssh->state != FF_SSH_LOOKUP && ssh->state != FF_SSH_CONNECT) {
		ff_err_set(&err, FF_EUNREACH, "no answer within %ld s (%s)", ssh->limit_s,
			   states[ssh->state].name);
		finish(ssh, &err);
		return false;
	}
	rc = states[ssh->state].step(ssh, &err);
	if (rc == FF_EAGAIN)
		return ssh->killed || ssh->freed;
	if (rc < 0) {
		finish(ssh, &err);
		return false;
	}
	if (ssh->state + 1 == FF_SSH_DONE) {
		struct ff_err result = ssh->result;

		finish(ssh, &result);
		return false;
	}
	advance(ssh);
	return true;
}

void ff_ssh_drive(struct ff_ssh *ssh)
{
	if (ssh->driving)
		return;
	ssh->driving = true;
	ssh->kick_pending = false;
	ssh->recv_budget = FF_SSH_RECV_BUDGET;
	while (ssh->state != FF_SSH_DONE && step(ssh))
		;
	ssh->driving = false;
	if (ssh->state != FF_SSH_DONE)
		ff_ssh_watch(ssh);
	else if (ssh->handles == 0)
		settle(ssh);
}

static void on_kick(struct ff_deferred *deferred)
{
	ff_ssh_drive(ff_container_of(deferred, struct ff_ssh, kick));
}

static bool ssh_handles(const struct ff_xspec *spec)
{
	return spec->ssh && !spec->via;
}

static char *make_label(const struct ff_xspec *spec)
{
	struct ff_buf text = FF_BUF_INIT;

	if (ff_xspec_label(&text, spec) < 0)
		ff_buf_clear(&text);
	return ff_buf_take(&text);
}

static int copy_launch(struct ff_ssh *ssh, const struct ff_launch *launch)
{
	ssh->native = launch->native;
	ssh->exec_fd = launch->exec_fd;
	ssh->command = ff_strdup(launch->command);
	ssh->given_command = ff_strdup(launch->command);
	ssh->label = make_label(ssh->conn->spec);
	if (!ssh->command || !ssh->given_command || !ssh->label)
		return FF_ENOMEM;
	return launch->argv ? ff_strv_add_all(&ssh->argv, launch->argv) : 0;
}

static int ssh_open(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err)
{
	struct ff_ssh *ssh;

	if (!conn->spec->ssh[strspn(conn->spec->ssh, " \t")])
		return ff_err_set(err, FF_EINVAL, "'%s': ssh= names no host", conn->spec->text);
	ssh = ff_calloc(1, sizeof(*ssh));
	if (!ssh)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ssh->conn = conn;
	ssh->reading = true;
	ff_deferred_init(&ssh->kick, on_kick);
	ssh->waiter.done = resolved;
	if (copy_launch(ssh, launch) < 0) {
		free_memory(ssh);
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	conn->state = ssh;
	conn->status = -1;
	snprintf(conn->peer, sizeof(conn->peer), "%s", ssh->label);
	ff_timer_init(&ssh->timer, conn->loop, on_timer, ssh);
	ssh->handles = 1;
	ff_ssh_kick(ssh);
	return 0;
}

static void ssh_flush(struct ff_conn *conn)
{
	ff_ssh_kick(conn->state);
}

static void ssh_read(struct ff_conn *conn, bool on)
{
	struct ff_ssh *ssh = conn->state;

	ssh->reading = on;
	ff_ssh_kick(ssh);
}

static void ssh_close_write(struct ff_conn *conn)
{
	struct ff_ssh *ssh = conn->state;

	ssh->eof_wanted = true;
	ff_ssh_kick(ssh);
}

static void ssh_kill(struct ff_conn *conn)
{
	struct ff_ssh *ssh = conn->state;

	ssh->killed = true;
	ff_ssh_kick(ssh);
}

static void ssh_release(struct ff_conn *conn, void (*freed)(struct ff_conn *conn))
{
	struct ff_ssh *ssh = conn->state;

	ssh->freed = freed;
	ff_ssh_kick(ssh);
}

const struct ff_transport ff_transport_ssh = {
	.name = "ssh",
	.handles = ssh_handles,
	.local = false,
	.launches = true,
	.open = ssh_open,
	.flush = ssh_flush,
	.read = ssh_read,
	.close_write = ssh_close_write,
	.kill = ssh_kill,
	.release = ssh_release,
};

/* Templates on the worker's loop: one process, one socket, and a queue of those that wait. */
#include "worker/template.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/loop_private.h"

enum { WORD_MAX = 256 };

struct ff_template {
	struct ff_list node; /* in worker->templates */
	struct ff_worker *worker;
	struct ff_buf key;
	struct ff_process *process; /* NULL: it has ended */
	struct ff_watch watch;
	struct ff_timer limit;
	struct ff_deferred refuse;
	struct ff_list orders; /* those that were sent come first */
	int fd;		       /* -1: nothing is to be said any more */
	bool ready, gone;
	char why[WORD_MAX];
};

/* --- what is the same --- */

static int add_texts(struct ff_buf *key, char *const *texts)
{
	int rc = 0;

	for (; rc == 0 && texts && *texts; texts++)
		rc = ff_buf_add(key, *texts, strlen(*texts) + 1);
	return rc == 0 ? ff_buf_addch(key, '\0') : rc;
}

static int make_key(struct ff_buf *key, const struct ff_spawn *spawn, const char *line, size_t len)
{
	int rc = add_texts(key, spawn->argv);

	if (rc == 0)
		rc = add_texts(key, spawn->env);
	if (rc == 0)
		rc = ff_buf_addf(key, "%s%c%d%c", spawn->cwd ? spawn->cwd : "", '\0', spawn->nice,
				 '\0');
	return rc == 0 ? ff_buf_add(key, line, len) : rc;
}

static struct ff_template *find(const struct ff_worker *worker, const struct ff_buf *key)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &worker->templates) {
		struct ff_template *template = ff_container_of(pos, struct ff_template, node);

		if (template->key.len == key->len &&
		    !memcmp(ff_buf_data(&template->key), ff_buf_data(key), key->len))
			return template;
	}
	return NULL;
}

/* --- orders --- */

static struct ff_template_order *first_order(const struct ff_template *template)
{
	return ff_list_empty(&template->orders)
		       ? NULL
		       : ff_container_of(template->orders.next, struct ff_template_order, node);
}

static void done(struct ff_template_order *order, pid_t pid, const char *why)
{
	ff_list_del(&order->node);
	if (pid == 0 && order->sent)
		ff_ends_close(&order->ends);
	order->done(order, pid, why);
}

static void refuse_all(struct ff_template *template)
{
	struct ff_template_order *order;

	while ((order = first_order(template)))
		done(order, 0, template->why);
}

static void on_refuse(struct ff_deferred *deferred)
{
	refuse_all(ff_container_of(deferred, struct ff_template, refuse));
}

static void give_up(struct ff_template *template, const char *why)
{
	if (template->gone)
		return;
	template->gone = true;
	snprintf(template->why, sizeof(template->why), "%s", why);
	ff_timer_set(&template->limit, FF_NEVER_US);
	if (template->fd >= 0) {
		ff_watch_close(&template->watch);
		close(template->fd); /* that it ends follows from this */
	}
	template->fd = -1;
	ff_loop_defer(&template->worker->loop, &template->refuse);
}

/* One message: the word, and the child's ends of its pipes. */
static bool send_fork(const struct ff_template *template, const struct ff_ends *ends)
{
	static char word[] = "fork";
	struct iovec iov = {.iov_base = word, .iov_len = strlen(word)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(ends->theirs))];
	} control = {0};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(ends->theirs));
	memcpy(CMSG_DATA(header), ends->theirs, sizeof(ends->theirs));
	return sendmsg(template->fd, &message, MSG_NOSIGNAL) == (ssize_t)iov.iov_len;
}

static void send_order(struct ff_template *template, struct ff_template_order *order)
{
	static char *const argv[] = {"a template's child", NULL};
	static const struct ff_spawn pipes = {.argv = argv, .exec_fd = -1, .wide_pipes = true};
	struct ff_err err;

	if (template->gone || order->sent)
		return;
	if (ff_ends_open(&order->ends, &pipes, &err) != 0) {
		give_up(template, err.text);
		return;
	}
	order->sent = true;
	if (!send_fork(template, &order->ends))
		give_up(template, "the template can't be reached");
	ff_ends_close_theirs(&order->ends);
}

/* --- what it says --- */

static void on_ready(struct ff_template *template)
{
	struct ff_list *pos;

	template->ready = true;
	ff_timer_set(&template->limit, FF_NEVER_US);
	ff_list_for_each(pos, &template->orders)
		send_order(template, ff_container_of(pos, struct ff_template_order, node));
}

static void on_pid(struct ff_template *template, const char *text)
{
	struct ff_template_order *order = first_order(template);
	pid_t pid = (pid_t)strtol(text, NULL, 10);
	siginfo_t info;

	if (!order || !order->sent || pid <= 1) {
		give_up(template, "the template said nonsense");
	} else if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
		/* Whoever it was handed to, nobody would ever know how it ended. */
		kill(pid, SIGKILL);
		give_up(template, "a template's child is none of the worker's");
	} else {
		done(order, pid, NULL);
	}
}

static void on_word(struct ff_watch *watch, int events)
{
	struct ff_template *template = ff_container_of(watch, struct ff_template, watch);
	char word[WORD_MAX];
	ssize_t len = recv(template->fd, word, sizeof(word) - 1, MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	word[len > 0 ? len : 0] = '\0';
	if (!strncmp(word, "pid ", 4))
		on_pid(template, word + 4);
	else if (!strncmp(word, "ready", 5))
		on_ready(template);
	else
		give_up(template, strncmp(word, "no ", 3) ? "the template ended" : word + 3);
}

static void on_limit(struct ff_timer *timer)
{
	give_up(timer->ctx, "the template is not ready in time");
}

/* --- its process --- */

static void on_timer_closed(struct ff_timer *timer)
{
	struct ff_template *template = timer->ctx;

	ff_buf_release(&template->key);
	ff_free(template);
}

static void on_finished(struct ff_process *process, void *ctx)
{
	struct ff_template *template = ctx;

	template->process = NULL;
	ff_process_free(process);
	give_up(template, "the template ended");
}

static void on_exited(struct ff_process *process, void *ctx)
{
	ff_process_abandon_output(process);
}

static const struct ff_process_ops process_ops = {.exited = on_exited, .finished = on_finished};

static int start(struct ff_template *template, const struct ff_spawn *from, const char *line,
		 size_t len, struct ff_err *err)
{
	struct ff_spawn spawn = *from;
	int fds[2], rc = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return ff_err_sys(err, errno, "a template's socket");
	spawn.inherit = fds[1];
	spawn.inherit_as = FF_TEMPLATE_FD;
	template->process =
		ff_process_spawn(&template->worker->loop, &spawn, &process_ops, template, err);
	close(fds[1]);
	if (!template->process)
		rc = err->code;
	if (rc == 0 && ff_watch_open(&template->watch, &template->worker->loop, fds[0],
				     FF_WATCH_READ, on_word) != 0)
		rc = ff_err_set(err, FF_ENOMEM, "out of memory");
	if (rc == 0)
		rc = ff_buf_add(ff_process_stdin(template->process), line, len);
	if (rc != 0) {
		ff_process_free(template->process);
		close(fds[0]);
		return rc;
	}
	template->fd = fds[0];
	ff_process_flush(template->process);
	ff_process_close_stdin(template->process);
	return 0;
}

static struct ff_template *template_new(struct ff_worker *worker, const struct ff_spawn *spawn,
					const char *line, size_t len, struct ff_err *err)
{
	struct ff_template *template = ff_calloc(1, sizeof(*template));

	if (!template) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	template->worker = worker;
	template->fd = -1;
	ff_list_init(&template->orders);
	ff_deferred_init(&template->refuse, on_refuse);
	if (start(template, spawn, line, len, err) != 0) {
		ff_free(template);
		return NULL;
	}
	ff_timer_init(&template->limit, &worker->loop, on_limit, template);
	ff_list_add_tail(&worker->templates, &template->node);
	return template;
}

/* --- for others --- */

int ff_template_fork(struct ff_worker *worker, const struct ff_spawn *spawn, const char *line,
		     size_t line_len, int64_t limit_us, struct ff_template_order *order,
		     struct ff_err *err)
{
	struct ff_template *template;
	struct ff_buf key = FF_BUF_INIT;
	int rc = make_key(&key, spawn, line, line_len);

	if (rc != 0) {
		ff_buf_release(&key);
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	}
	template = find(worker, &key);
	if (template) {
		ff_buf_release(&key);
	} else {
		template = template_new(worker, spawn, line, line_len, err);
		if (!template) {
			ff_buf_release(&key);
			return err->code;
		}
		template->key = key;
		ff_timer_set(&template->limit, ff_clock_us() + limit_us);
	}
	order->sent = false;
	ff_list_add_tail(&template->orders, &order->node);
	if (template->gone)
		ff_loop_defer(&worker->loop, &template->refuse);
	else if (template->ready)
		send_order(template, order);
	return 0;
}

void ff_templates_end(struct ff_worker *worker)
{
	while (!ff_list_empty(&worker->templates)) {
		struct ff_template *template =
			ff_container_of(worker->templates.next, struct ff_template, node);

		ff_list_del(&template->node);
		give_up(template, "the worker is ending");
		ff_deferred_cancel(&template->refuse);
		refuse_all(template);
		ff_process_free(template->process);
		ff_timer_close(&template->limit, on_timer_closed);
	}
}

bool ff_templates_own(const struct ff_worker *worker, pid_t pid)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &worker->templates) {
		struct ff_template *template = ff_container_of(pos, struct ff_template, node);

		if (template->process && ff_process_pid(template->process) == pid)
			return true;
	}
	return false;
}

/* What the inventory says now is compared with what the run has. Nobody waits for that: a host that
 * has to go before it can come anew (its entry has changed) is looked at again with each tick. */
#include "dispatch/reread.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/loop_private.h"

struct ff_reread {
	const struct ff_run_reread *how;
	struct ff_loop *loop;
	const struct ff_state *state;
	void (*put)(void *ctx, struct ff_input *input);
	void *ctx;
	struct ff_inventory latest; /* what was read last; len 0: nothing was */
	bool *listed;		    /* by number: it is in the run, as far as the inventory goes */
	bool unsettled;		    /* some have to go before they can come again */
	bool told_full;
	char *told; /* what was wrong the last time; NULL: nothing */
	int64_t next_us;
	/* The reading that is under way; in its thread until `reading` is false again. */
	uv_work_t work;
	bool reading, again;
	atomic_bool stop;
	struct ff_inventory found;
	struct ff_err err;
	int rc;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static void warn(struct ff_reread *r, const char *text)
{
	struct ff_input *input = ff_input_new(FF_INPUT_WARNED);

	input->u.said.text = ff_input_text(input, text);
	r->put(r->ctx, input);
}

/* --- what has changed --- */

static struct ff_inventory *ours(const struct ff_reread *r)
{
	return r->how->inventory;
}

static const struct ff_host *parent_of(const struct ff_inventory *inventory,
				       const struct ff_host *host)
{
	return host->spec.via ? ff_inventory_find(inventory, host->spec.via) : NULL;
}

/* Whether it is another host than ours of that name, or goes over one that is. */
static bool is_other(const struct ff_reread *r, const struct ff_host *host)
{
	const struct ff_host *was = ff_inventory_find(ours(r), host->name);
	const struct ff_host *parent = parent_of(&r->latest, host);

	return !was || !ff_host_equal(was, host) || (parent && is_other(r, parent));
}

static void leaves(struct ff_reread *r, uint32_t number, const char *why)
{
	struct ff_input *input = ff_input_new(FF_INPUT_HOST_LEAVES);

	input->host = number;
	input->u.said.text = ff_input_text(input, why);
	r->put(r->ctx, input);
	r->listed[number] = false;
}

static void let_go(struct ff_reread *r)
{
	for (uint32_t i = 0; i < ours(r)->len; i++) {
		const struct ff_host *now;

		if (!r->listed[i])
			continue;
		now = ff_inventory_find(&r->latest, ours(r)->hosts[i].name);
		if (!now)
			leaves(r, i, "it is not in the inventory any more");
		else if (is_other(r, now))
			leaves(r, i, "its entry in the inventory has changed");
	}
}

static bool is_gone(const struct ff_reread *r, const struct ff_host *was)
{
	return !was || (was->index < r->state->hosts_len &&
			r->state->hosts[was->index].state == FF_HOST_GONE);
}

/* The one that it goes via comes first. */
static void take(struct ff_reread *r, const struct ff_host *host)
{
	const struct ff_host *was = ff_inventory_find(ours(r), host->name);
	const struct ff_host *parent = parent_of(&r->latest, host);
	struct ff_input *input;
	int64_t number;

	if (was && r->listed[was->index])
		return;
	if (parent)
		take(r, parent);
	if (parent)
		parent = ff_inventory_find(ours(r), parent->name);
	if (!is_gone(r, was) || (host->spec.via && (!parent || !r->listed[parent->index]))) {
		r->unsettled = true;
		return;
	}
	number = ff_inventory_admit(ours(r), host);
	if (number < 0) {
		char *text = ff_xasprintf("host %s stays out: a run has room for %d hosts that "
					  "were not there when it began",
					  host->name, FF_RUN_LATE_HOSTS);

		if (!r->told_full)
			warn(r, text);
		r->told_full = true;
		ff_free(text);
		return;
	}
	r->listed[number] = true;
	input = ff_input_new(FF_INPUT_HOST_COMES);
	input->host = (uint32_t)number;
	r->put(r->ctx, input);
}

static void compare(struct ff_reread *r)
{
	r->unsettled = false;
	if (r->latest.len == 0)
		return;
	let_go(r);
	for (size_t i = 0; i < r->latest.len; i++)
		take(r, &r->latest.hosts[i]);
}

/* --- reading --- */

static void read_in_thread(uv_work_t *work)
{
	struct ff_reread *r = work->data;
	struct ff_config config;

	r->rc = r->how->read(r->how->ctx, &config, &r->stop, &r->err);
	if (r->rc < 0)
		return;
	r->rc = ff_inventory_build(&r->found, &config, &r->err);
	if (!r->rc)
		r->rc = ff_inventory_reveal(&r->found, &config, NULL, &r->err);
	ff_config_release(&config);
}

/* Once, as long as it is the same. */
static void tell_error(struct ff_reread *r)
{
	char *text =
		ff_xasprintf("the inventory can't be read again, all hosts stay: %s", r->err.text);
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (!r->told || strcmp(r->told, text) != 0)
		warn(r, text);
	ff_free(r->told);
	r->told = text;
}

static void reread_free(struct ff_reread *r)
{
	void (*closed)(void *ctx) = r->closed;
	void *ctx = r->closed_ctx;

	ff_inventory_release(&r->latest);
	ff_free(r->listed);
	ff_free(r->told);
	ff_free(r);
	closed(ctx);
}

static void on_read(uv_work_t *work, int status)
{
	struct ff_reread *r = work->data;

	(void)status; /* it is never cancelled: `stop` ends it */
	r->reading = false;
	r->next_us = ff_clock_us() + r->how->every_us;
	if (r->closed) {
		if (r->rc >= 0)
			ff_inventory_release(&r->found);
		reread_free(r);
		return;
	}
	if (r->rc < 0) {
		tell_error(r);
	} else {
		ff_inventory_release(&r->latest);
		r->latest = r->found;
		ff_free(r->told);
		r->told = NULL;
		compare(r);
	}
	if (r->again)
		ff_reread_now(r);
}

bool ff_reread_now(struct ff_reread *r)
{
	if (!r)
		return false;
	/* What is being read may be older than what is asked for. */
	r->again = r->reading;
	if (r->reading)
		return true;
	r->found = (struct ff_inventory){0};
	r->err = (struct ff_err){0};
	r->reading = uv_queue_work(r->loop->uv, &r->work, read_in_thread, on_read) == 0;
	return true;
}

/* --- life --- */

struct ff_reread *ff_reread_new(const struct ff_run_reread *how, struct ff_loop *loop,
				const struct ff_state *state,
				void (*put)(void *ctx, struct ff_input *input), void *ctx)
{
	struct ff_reread *r = ff_xcalloc(1, sizeof(*r));

	r->how = how;
	r->loop = loop;
	r->state = state;
	r->put = put;
	r->ctx = ctx;
	r->work.data = r;
	r->listed = ff_xcalloc(ff_inventory_room(how->inventory) + 1, sizeof(*r->listed));
	for (size_t i = 0; i < how->inventory->len; i++)
		r->listed[i] = true;
	r->next_us = ff_clock_us() + how->every_us;
	return r;
}

void ff_reread_tick(struct ff_reread *r, int64_t now_us)
{
	if (!r)
		return;
	if (r->unsettled)
		compare(r);
	if (r->how->every_us > 0 && !r->reading && now_us >= r->next_us)
		ff_reread_now(r);
}

bool ff_reread_close(struct ff_reread *r, void (*closed)(void *ctx), void *ctx)
{
	if (!r)
		return false;
	r->closed = closed;
	r->closed_ctx = ctx;
	atomic_store(&r->stop, true);
	if (!r->reading)
		reread_free(r);
	return true;
}

bool ff_reread_terminal_there(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

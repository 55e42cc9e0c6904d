/* What the terminal reporter says at the end of hosts' use: how many attempts each had, and which
 * share of its slots' time they took. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

enum { LINES = 6, LEAST = 3 }; /* hosts that have a line each; of more the least busy are named */

void ff_terminal_use(struct ff_terminal *t, const struct ff_event *event, int64_t took_us,
		     bool lost)
{
	struct ff_terminal_host *host;

	if (!event->host)
		return;
	host = ff_terminal_host(t, event->host);
	host->attempts++;
	host->lost += lost;
	host->busy_us += took_us > 0 ? took_us : 0;
}

/* In tenths of a percent. */
static unsigned share_of(const struct ff_terminal_host *host, int64_t took_us)
{
	double all = (double)took_us * (host->slots ? host->slots : 1);
	double share = all > 0 ? 1000.0 * (double)host->busy_us / all : 0;

	return share < 1000 ? (unsigned)share : 1000;
}

static void add_share(struct ff_buf *out, unsigned share)
{
	if (share >= 100)
		ff_buf_addf(out, "%u %%", (share + 5) / 10);
	else
		ff_buf_addf(out, "%u.%u %%", share / 10, share % 10);
}

static void add_host(const struct ff_terminal *t, struct ff_buf *out,
		     const struct ff_terminal_host *host, int64_t took_us)
{
	ff_terminal_name(t, out, host->name);
	ff_buf_addf(out, ": %u attempt%s, busy ", host->attempts, host->attempts == 1 ? "" : "s");
	add_share(out, share_of(host, took_us));
	ff_buf_addf(out, " of %u slot%s", host->slots, host->slots == 1 ? "" : "s");
	if (host->lost > 0)
		ff_buf_addf(out, ", %u lost", host->lost);
}

struct used {
	const struct ff_terminal_host *host;
	unsigned share;
};

static int by_share(const void *a, const void *b)
{
	const struct used *one = a, *other = b;

	return one->share < other->share ? -1 : one->share > other->share;
}

static void say_many(struct ff_terminal *t, struct used *used, size_t len, int64_t took_us)
{
	struct ff_buf line = FF_BUF_INIT;

	qsort(used, len, sizeof(*used), by_share);
	ff_buf_addf(&line, "hosts: %zu, busy ", len);
	add_share(&line, used[0].share);
	ff_buf_addstr(&line, " to ");
	add_share(&line, used[len - 1].share);
	ff_buf_addstr(&line, ", half of them over ");
	add_share(&line, used[len / 2].share);
	ff_buf_addstr(&line, "; the least");
	for (size_t i = 0; i < LEAST; i++) {
		ff_buf_addstr(&line, i ? "; " : " ");
		add_host(t, &line, used[i].host, took_us);
	}
	ff_terminal_wrap(t, &line, "  ");
	ff_buf_release(&line);
}

void ff_terminal_say_use(struct ff_terminal *t, int64_t took_us)
{
	struct used *used = ff_xcalloc(t->host_map.len + 1, sizeof(*used));
	struct ff_buf line = FF_BUF_INIT;
	struct ff_list *pos;
	uint32_t attempts = 0;
	size_t len = 0;

	ff_list_for_each(pos, &t->host_list) {
		const struct ff_terminal_host *host =
			ff_container_of(pos, struct ff_terminal_host, node);

		attempts += host->attempts;
		if (host->was_ready || host->attempts > 0)
			used[len++] = (struct used){host, share_of(host, took_us)};
	}
	/* One host's use is the run's. */
	if (len < 2 || attempts == 0 || t->setup.verbosity < 0)
		len = 0;
	if (len > LINES && t->setup.verbosity == 0) {
		say_many(t, used, len, took_us);
	} else {
		for (size_t i = 0; i < len; i++) {
			ff_buf_addstr(&line, "host ");
			add_host(t, &line, used[i].host, took_us);
			ff_terminal_wrap(t, &line, "  ");
		}
	}
	if (len > 0)
		ff_buf_addch(&t->screen.text, '\n');
	ff_buf_release(&line);
	ff_free(used);
}

/* Gateways inside glib's main loop, as a GTK program has them: a source of ours is prepared,
 * checked and dispatched beside all others, here a timeout that beats. A thousand round trips, each
 * begun by the answer to the one before.
 *
 *     foreign_glib [XSPEC]        default: popen */
#include <glib.h>
#include <stdio.h>

#include "farflung.h"

enum { TRIPS = 1000, END_MS = 5000, BEAT_MS = 20 };

/* --- the source: this is all that glib needs to know --- */

struct source {
	GSource source;
	struct ff_loop *loop;
	gpointer tag;
};

static gboolean on_prepare(GSource *source, gint *timeout_ms)
{
	*timeout_ms = ff_loop_timeout_ms(((struct source *)source)->loop);
	return *timeout_ms == 0;
}

/* Also when the time is up. */
static gboolean on_check(GSource *source)
{
	struct source *ours = (struct source *)source;

	return g_source_query_unix_fd(source, ours->tag) != 0 ||
	       ff_loop_timeout_ms(ours->loop) == 0;
}

static gboolean on_dispatch(GSource *source, GSourceFunc fn, gpointer data)
{
	ff_loop_turn(((struct source *)source)->loop);
	return G_SOURCE_CONTINUE;
}

static GSource *attach(struct ff_loop *loop)
{
	static GSourceFuncs functions = {
		.prepare = on_prepare, .check = on_check, .dispatch = on_dispatch};
	GSource *source = g_source_new(&functions, sizeof(struct source));
	struct source *ours = (struct source *)source;

	ours->loop = loop;
	ours->tag = g_source_add_unix_fd(source, ff_loop_fd(loop), G_IO_IN);
	g_source_attach(source, NULL);
	return source;
}

/* --- what is done with it --- */

struct trips {
	GMainLoop *main;
	struct ff_channel *channel;
	int64_t done;
	unsigned beats;
	struct ff_err err;
};

static void send_next(struct trips *trips)
{
	struct ff_value value = ff_int(trips->done);

	if (ff_channel_send(trips->channel, &value, &trips->err) < 0)
		g_main_loop_quit(trips->main);
}

/* From inside ff_loop_turn: for each item, and with NULL at the end. */
static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct trips *trips = ctx;

	if (item && ++trips->done < TRIPS)
		send_next(trips);
	else
		g_main_loop_quit(trips->main);
}

static gboolean on_beat(gpointer data)
{
	((struct trips *)data)->beats++;
	return G_SOURCE_CONTINUE;
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct ff_task task = {.source = "for item in channel: channel.send(item)"};
	struct trips *trips = ctx;

	if (err)
		trips->err = *err;
	else
		trips->channel = ff_gateway_remote_exec(gateway, &task, &trips->err);
	if (!trips->channel) {
		g_main_loop_quit(trips->main);
		return;
	}
	ff_channel_set_callback(trips->channel, on_item, trips);
	send_next(trips);
}

static void on_ended(struct ff_group *group, void *ctx)
{
	g_main_loop_quit(((struct trips *)ctx)->main);
}

/* Nothing in here waits but g_main_loop_run. */
static void run(struct trips *trips, struct ff_group *group, const char *text)
{
	struct ff_open_opts opts = FF_OPEN_OPTS_INIT;
	struct ff_xspec spec;
	guint beat = g_timeout_add(BEAT_MS, on_beat, trips);

	opts.opened = on_opened;
	opts.ctx = trips;
	if (ff_xspec_parse(&spec, text, &trips->err) == 0) {
		if (ff_open_gateway(group, &spec, &opts, &trips->err))
			g_main_loop_run(trips->main);
		ff_xspec_release(&spec);
	}
	g_source_remove(beat);
	ff_channel_unref(trips->channel);
	if (ff_open_terminate(group, END_MS, on_ended, trips) == 0)
		g_main_loop_run(trips->main);
}

int main(int argc, char **argv)
{
	struct trips trips = {.main = g_main_loop_new(NULL, FALSE)};
	struct ff_loop *loop = ff_loop_new(&trips.err);
	struct ff_group *group = loop ? ff_open_group(loop, &trips.err) : NULL;
	GSource *source;

	if (group) {
		source = attach(loop);
		run(&trips, group, argc > 1 ? argv[1] : "popen");
		g_source_destroy(source);
		g_source_unref(source);
	}
	if (trips.err.code)
		fprintf(stderr, "foreign_glib: %s\n", trips.err.text);
	printf("%lld round trips, %u beats\n", (long long)trips.done, trips.beats);
	ff_group_free(group);
	ff_loop_free(loop);
	g_main_loop_unref(trips.main);
	return trips.done != TRIPS;
}

/* Server-sent events: that a run's model has grown, or will not grow any more. */
#include <stdio.h>

#include "base/alloc.h"
#include "report/thread.h"
#include "web/api.h"
#include "web/http.h"

/* Lines as they come, for one that listens. */
struct listener {
	const struct ff_web_api *api;
	char *run;
	uint64_t seq; /* what it knows */
	bool told_over;
	int silent; /* looks without news */
};

enum { LOOK_MS = 250, LAST_LOOK_MS = 10, PING_AFTER = 40 };

/* Until the next look. The server's last word is not waited for longer than it takes to read. */
static void wait_for_change(struct ff_web_streams *streams)
{
	struct timespec until = ff_thread_in_ms(streams->farewell ? LAST_LOOK_MS : LOOK_MS);

	while (!streams->stopping &&
	       pthread_cond_timedwait(&streams->change, &streams->lock, &until) == 0 &&
	       !streams->farewell)
		;
}

/* Whether it is to look again; *last: what it sees then is all that it will be told. */
static bool look_again(struct ff_web_streams *streams, bool first, bool *last)
{
	bool stopping;

	pthread_mutex_lock(&streams->lock);
	if (!first)
		wait_for_change(streams);
	*last = streams->farewell;
	stopping = streams->stopping;
	pthread_mutex_unlock(&streams->lock);
	return !stopping;
}

static ssize_t listen_on(void *ctx, uint64_t pos, char *out, size_t max)
{
	struct listener *listener = ctx;
	const struct ff_web_api *api = listener->api;
	struct ff_opened_place at;
	bool last;

	(void)pos;
	if (listener->told_over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	for (bool first = true; look_again(api->streams, first, &last); first = false) {
		if (ff_web_folder_peek(api->folder, listener->run, last, &at, NULL) < 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (at.seq != listener->seq || at.over) {
			listener->seq = at.seq;
			listener->told_over = at.over;
			listener->silent = 0;
			return snprintf(out, max, "id: %llu\nevent: %s\ndata: {\"seq\":%llu}\n\n",
					(unsigned long long)at.seq, at.over ? "over" : "news",
					(unsigned long long)at.seq);
		}
		if (last && !at.behind)
			break;
		if (++listener->silent % PING_AFTER == 0)
			return snprintf(out, max, ": still here\n\n");
	}
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static void count(struct ff_web_streams *streams, int more)
{
	pthread_mutex_lock(&streams->lock);
	streams->open += more;
	pthread_cond_broadcast(&streams->change);
	pthread_mutex_unlock(&streams->lock);
}

static void free_listener(void *ctx)
{
	struct listener *listener = ctx;

	count(listener->api->streams, -1);
	ff_free(listener->run);
	ff_free(listener);
}

enum MHD_Result ff_web_news(const struct ff_web_api *api, struct MHD_Connection *connection,
			    const char *run)
{
	struct listener *listener = ff_xcalloc(1, sizeof(*listener));
	struct MHD_Response *response;

	listener->api = api;
	count(api->streams, 1);
	listener->run = ff_xstrdup(run);
	listener->seq = ff_web_number(ff_web_header(connection, "Last-Event-ID"),
				      ff_web_number(ff_web_argument(connection, "after"), 0));
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, listen_on, listener,
						     free_listener);
	if (!response) {
		free_listener(listener);
		return MHD_NO;
	}
	return ff_web_send(connection, 200, response, "text/event-stream", NULL);
}

/* Server-sent events: that a run's model has grown, or will not grow any more. */
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
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

enum { LOOK_MS = 250, PING_AFTER = 40 };

static void wait_ms(long ms)
{
	struct timespec time = {0, ms * 1000000};

	nanosleep(&time, NULL);
}

static ssize_t listen_on(void *ctx, uint64_t pos, char *out, size_t max)
{
	struct listener *listener = ctx;
	uint64_t seq = 0;
	bool over = false;

	(void)pos;
	if (listener->told_over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	while (!listener->api->streams->stopping) {
		if (ff_web_folder_seq(listener->api->folder, listener->run, &seq, &over, NULL) < 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (seq != listener->seq || over) {
			listener->seq = seq;
			listener->told_over = over;
			listener->silent = 0;
			return snprintf(out, max, "id: %llu\nevent: %s\ndata: {\"seq\":%llu}\n\n",
					(unsigned long long)seq, over ? "over" : "news",
					(unsigned long long)seq);
		}
		if (++listener->silent % PING_AFTER == 0)
			return snprintf(out, max, ": still here\n\n");
		wait_ms(LOOK_MS);
	}
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_listener(void *ctx)
{
	struct listener *listener = ctx;

	listener->api->streams->open--;
	ff_free(listener->run);
	ff_free(listener);
}

enum MHD_Result ff_web_news(const struct ff_web_api *api, struct MHD_Connection *connection,
			    const char *run)
{
	struct listener *listener = ff_xcalloc(1, sizeof(*listener));
	struct MHD_Response *response;

	listener->api = api;
	api->streams->open++;
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

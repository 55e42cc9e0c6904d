/* The JSON under /api/v1: openapi.yaml says what it is. */
#ifndef FF_WEB_API_H
#define FF_WEB_API_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "web/folder.h"

/* News of runs that browsers listen to. */
struct ff_web_streams {
	atomic_bool stopping; /* they end */
	atomic_int open;
};

struct ff_web_api {
	struct ff_web_folder *folder;
	const char *runs; /* the folder's path */
	bool may_act;	  /* a token was given: runs may be ended, and begun again */
	struct ff_web_streams *streams;
};

/* `path`: behind "/api/v1/". */
enum MHD_Result ff_web_api_get(const struct ff_web_api *api, struct MHD_Connection *connection,
			       const char *path);
/* `body`: all of it. */
enum MHD_Result ff_web_api_post(const struct ff_web_api *api, struct MHD_Connection *connection,
				const char *path, struct ff_buf *body);

/* The stream of a run's news, from the number that the browser had last, after its connection was
 * cut, or that it names. */
enum MHD_Result ff_web_news(const struct ff_web_api *api, struct MHD_Connection *connection,
			    const char *run);

#endif

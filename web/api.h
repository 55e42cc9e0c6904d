/* The JSON under /api/v1: openapi.yaml says what it is. */
#ifndef FF_WEB_API_H
#define FF_WEB_API_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"
#include "web/digest.h"
#include "web/folder.h"

/* News of runs that browsers listen to. */
struct ff_web_streams {
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t change;
	bool farewell; /* what is over is told at once, and nobody listens to what goes on */
	bool stopping; /* they end */
	int open;
};

struct ff_web_api {
	struct ff_web_folder *folder;
	struct ff_digests *digests;
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

/* "trends", "compare" and "history": what many runs come to. */
enum MHD_Result ff_web_history(const struct ff_web_api *api, struct MHD_Connection *connection);
enum MHD_Result ff_web_trends(const struct ff_web_api *api, struct MHD_Connection *connection);
enum MHD_Result ff_web_compare(const struct ff_web_api *api, struct MHD_Connection *connection);
/* "runs/RUN/artifacts/" and `what`: a list of files, or one of them. */
enum MHD_Result ff_web_artifacts(const struct ff_web_api *api, struct MHD_Connection *connection,
				 const char *run, const char *what);
/* What went wrong as a status and its words; else the answer. */
enum MHD_Result ff_web_answer(struct MHD_Connection *connection, int rc, const struct ff_buf *out,
			      const struct ff_err *err);
/* An argument that is a number up to `max`; `*number` stays as it is if there is none. FF_EINVAL
 * names it. */
int ff_web_take_number(struct MHD_Connection *connection, const char *name, uint64_t max,
		       int64_t *number, struct ff_err *err);

/* The stream of a run's news, from the number that the browser had last, after its connection was
 * cut, or that it names. */
enum MHD_Result ff_web_news(const struct ff_web_api *api, struct MHD_Connection *connection,
			    const char *run);

#endif

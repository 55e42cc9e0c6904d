#include "web/api.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strv.h"
#include "web/action.h"
#include "web/http.h"

enum {
	LIST_MAX = 500,	  /* runs */
	COUNT = 100,	  /* rows of a window, if it is not said how many */
	COUNT_MAX = 1000, /* of a window */
	PIXELS_MAX = 16384,
	NAMES_MAX = 1000, /* of what is to be ended, or run again */
};

static enum MHD_Result refuse(struct MHD_Connection *connection, int rc, const struct ff_err *err)
{
	unsigned status = rc == FF_ENOTFOUND ? 404
			  : rc == FF_EBUSY   ? 503
			  : rc == FF_EINVAL  ? 400
					     : 500;

	return ff_web_refuse(connection, status, *err->text ? err->text : ff_err_text(rc));
}

enum MHD_Result ff_web_answer(struct MHD_Connection *connection, int rc, const struct ff_buf *out,
			      const struct ff_err *err)
{
	return rc == 0 ? ff_web_send_text(connection, 200, out, "application/json", NULL)
		       : refuse(connection, rc, err);
}

static enum MHD_Result answer_list(const struct ff_web_api *api, struct MHD_Connection *connection)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	int rc = ff_web_folder_list(api->folder, LIST_MAX, &out, &err);
	enum MHD_Result result = ff_web_answer(connection, rc, &out, &err);

	ff_buf_release(&out);
	return result;
}

/* --- arguments --- */

int ff_web_take_number(struct MHD_Connection *connection, const char *name, uint64_t max,
		       int64_t *number, struct ff_err *err)
{
	const char *text = ff_web_argument(connection, name);
	uint64_t value = ff_web_number(text, UINT64_MAX);

	if (!text)
		return 0;
	if (value > max)
		return ff_err_set(err, FF_EINVAL, "%s: expected a number up to %llu", name,
				  (unsigned long long)max);
	*number = (int64_t)value;
	return 0;
}

static bool is_set(struct MHD_Connection *connection, const char *name)
{
	const char *text = ff_web_argument(connection, name);

	return text && strcmp(text, "0") != 0;
}

/* `key`: what tells this query from others. */
static int take_query(struct MHD_Connection *connection, struct ff_web_question *question,
		      struct ff_buf *key, struct ff_err *err)
{
	struct ff_rows_query *query = &question->query;
	const char *cause = ff_web_argument(connection, "cause");
	int64_t from = 0, count = COUNT;
	int rc;

	*query = (struct ff_rows_query){.job = -1, .cause = FF_ROWS_ANY};
	query->text = ff_web_argument(connection, "q");
	query->bad = is_set(connection, "bad");
	query->flaky = is_set(connection, "flaky");
	rc = ff_rows_states(ff_web_argument(connection, "states"), &query->states, err);
	if (rc == 0)
		rc = ff_rows_sort(ff_web_argument(connection, "sort"), &query->sort, err);
	if (rc == 0)
		rc = ff_web_take_number(connection, "job", UINT32_MAX, &query->job, err);
	if (rc == 0 && cause && strcmp(cause, "none") == 0)
		query->cause = -1;
	else if (rc == 0)
		rc = ff_web_take_number(connection, "cause", UINT32_MAX, &query->cause, err);
	if (rc == 0)
		rc = ff_web_take_number(connection, "from", UINT32_MAX, &from, err);
	if (rc == 0)
		rc = ff_web_take_number(connection, "count", COUNT_MAX, &count, err);
	question->from = (uint32_t)from;
	question->count = (uint32_t)count;
	ff_buf_addf(key, "%x %lld %lld %d %d %d ", query->states, (long long)query->job,
		    (long long)query->cause, query->bad, query->flaky, query->sort);
	ff_buf_addstr(key, query->text ? query->text : "");
	question->key = ff_buf_str(key);
	return rc;
}

static int take_times(struct MHD_Connection *connection, struct ff_web_question *question,
		      struct ff_err *err)
{
	int64_t pixels = 1000;
	int rc = ff_web_take_number(connection, "from", INT64_MAX / 2, &question->from_us, err);

	if (rc == 0)
		rc = ff_web_take_number(connection, "to", INT64_MAX / 2, &question->to_us, err);
	if (rc == 0)
		rc = ff_web_take_number(connection, "pixels", PIXELS_MAX, &pixels, err);
	if (rc == 0 && question->to_us && question->to_us <= question->from_us)
		rc = ff_err_set(err, FF_EINVAL, "to: expected more than from");
	question->pixels = pixels > 0 ? (uint32_t)pixels : 1;
	return rc;
}

/* --- a run --- */

static enum MHD_Result answer_run(const struct ff_web_api *api, struct MHD_Connection *connection,
				  const char *run, const char *what)
{
	struct ff_web_question question = {.part = FF_WEB_RUN};
	struct ff_buf out = FF_BUF_INIT, key = FF_BUF_INIT;
	struct ff_err err = {0};
	enum MHD_Result result;
	uint64_t row;
	int rc = 0;

	if (what && strcmp(what, "rows") == 0) {
		question.part = FF_WEB_ROWS;
		rc = take_query(connection, &question, &key, &err);
	} else if (what && strcmp(what, "timeline") == 0) {
		question.part = FF_WEB_TIMELINE;
		rc = take_times(connection, &question, &err);
	} else if (what && strcmp(what, "critical-path") == 0) {
		question.part = FF_WEB_CRITICAL;
	} else if (what && strncmp(what, "rows/", 5) == 0) {
		row = ff_web_number(what + 5, UINT64_MAX);
		question.part = FF_WEB_ROW;
		question.row = (uint32_t)row;
		if (row >= UINT32_MAX)
			rc = ff_err_set(&err, FF_ENOTFOUND, "there is no such row");
	} else if (what) {
		rc = ff_err_set(&err, FF_ENOTFOUND, "there is no such part of a run");
	}
	if (rc == 0)
		rc = ff_web_folder_ask(api->folder, run, &question, &out, &err);
	result = ff_web_answer(connection, rc, &out, &err);
	ff_buf_release(&key);
	ff_buf_release(&out);
	return result;
}

/* "runs/ID/WHAT": ID, the caller's to free, and WHAT or NULL. NULL: it is something else. */
static char *split_run(const char *path, const char **what)
{
	const char *slash;

	if (strncmp(path, "runs/", 5) != 0)
		return NULL;
	path += 5;
	slash = strchr(path, '/');
	*what = slash ? slash + 1 : NULL;
	return ff_xstrndup(path, slash ? (size_t)(slash - path) : strlen(path));
}

enum MHD_Result ff_web_api_get(const struct ff_web_api *api, struct MHD_Connection *connection,
			       const char *path)
{
	enum MHD_Result result;
	const char *what;
	char *run;

	if (strcmp(path, "runs") == 0)
		return answer_list(api, connection);
	if (strcmp(path, "trends") == 0)
		return ff_web_trends(api, connection);
	if (strcmp(path, "compare") == 0)
		return ff_web_compare(api, connection);
	if (strcmp(path, "history") == 0)
		return ff_web_history(api, connection);
	run = split_run(path, &what);
	if (!run)
		return ff_web_refuse(connection, 404,
				     "the API has runs, trends, compare and history");
	if (what && strcmp(what, "events") == 0)
		result = ff_web_news(api, connection, run);
	else if (what && strncmp(what, "artifacts/", 10) == 0)
		result = ff_web_artifacts(api, connection, run, what + 10);
	else
		result = answer_run(api, connection, run, what);
	ff_free(run);
	return result;
}

/* --- what is to be done --- */

/* {"names": ["…"]}, or {} for all of it. */
static int take_names(struct ff_buf *body, struct ff_strv *names, struct ff_err *err)
{
	json_t *value = json_loadb((const char *)ff_buf_data(body), body->len,
				   JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_object_get(value, "names"), *name;
	const char *key;
	size_t i;
	int rc = json_is_object(value) && (!list || json_is_array(list)) ? 0 : FF_EINVAL;

	json_object_foreach(value, key, name) rc = strcmp(key, "names") == 0 ? rc : FF_EINVAL;
	json_array_foreach(list, i, name)
	{
		if (!json_is_string(name) || json_string_length(name) == 0 || i >= NAMES_MAX)
			rc = FF_EINVAL;
		else
			ff_strv_add(names, json_string_value(name));
	}
	json_decref(value);
	return rc == 0 ? 0
		       : ff_err_set(err, rc, "expected {\"names\": [\"…\"]}, of at most %d names",
				    NAMES_MAX);
}

static enum MHD_Result act(const struct ff_web_api *api, struct MHD_Connection *connection,
			   const char *run, enum ff_web_action action, struct ff_buf *body)
{
	static const char *const none[] = {NULL};
	struct ff_buf done = FF_BUF_INIT;
	struct ff_strv names = FF_STRV_INIT;
	struct ff_err err = {0};
	char *journal = ff_web_folder_journal(api->folder, run, &err);
	enum MHD_Result result;
	int rc = journal ? take_names(body, &names, &err) : err.code;

	if (rc == 0)
		rc = ff_web_act(api->runs, run, action,
				names.len ? (const char *const *)names.v : none, &err);
	ff_buf_addstr(&done, "{}");
	result = rc == 0 ? ff_web_send_text(connection, 202, &done, "application/json", NULL)
			 : refuse(connection, rc, &err);
	ff_free(journal);
	ff_buf_release(&done);
	ff_strv_release(&names);
	return result;
}

enum MHD_Result ff_web_api_post(const struct ff_web_api *api, struct MHD_Connection *connection,
				const char *path, struct ff_buf *body)
{
	const char *type = ff_web_header(connection, "Content-Type"), *what = NULL;
	char *run = split_run(path, &what);
	bool cancel = run && what && strcmp(what, "cancel") == 0;
	enum MHD_Result result;

	if (!cancel && !(run && what && strcmp(what, "rerun") == 0))
		result = ff_web_refuse(connection, 405, "this is only read");
	else if (!api->may_act)
		result = ff_web_refuse(connection, 403,
				       "runs are ended and begun only where a token is asked for: "
				       "farflung web --token");
	/* What another site's form can send has another type. */
	else if (!type || strcmp(type, "application/json") != 0)
		result = ff_web_refuse(connection, 415, "expected application/json");
	else
		result = act(api, connection, run, cancel ? FF_WEB_CANCEL : FF_WEB_RERUN, body);
	ff_free(run);
	return result;
}

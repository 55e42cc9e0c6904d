/* Questions about many runs. */
#include <string.h>

#include "base/alloc.h"
#include "web/api.h"
#include "web/http.h"
#include "web/trends.h"

enum {
	RUNS = 20, /* that are looked at, if it is not said how many */
	GROUPS = 50,
	GROUPS_MAX = 500,
	OTHERS = 10, /* runs, from which a comparison knows what is usual */
};

enum MHD_Result ff_web_trends(const struct ff_web_api *api, struct MHD_Connection *connection)
{
	const struct ff_digest *runs[FF_DIGESTS_MAX];
	struct ff_trends_query query = {.text = ff_web_argument(connection, "q")};
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	int64_t max = RUNS, count = GROUPS;
	enum MHD_Result result;
	int rc = ff_trends_words(ff_web_argument(connection, "by"),
				 ff_web_argument(connection, "sort"), &query, &err);

	if (rc == 0)
		rc = ff_web_take_number(connection, "runs", FF_DIGESTS_MAX, &max, &err);
	if (rc == 0)
		rc = ff_web_take_number(connection, "count", GROUPS_MAX, &count, &err);
	if (rc == 0) {
		uint32_t len = ff_digests_borrow(api->digests, (uint32_t)max, runs);

		query.count = (uint32_t)count;
		rc = ff_trends(&out, &query, runs, len);
		ff_digests_give_back(api->digests);
	}
	result = ff_web_answer(connection, rc, &out, &err);
	ff_buf_release(&out);
	return result;
}

/* A run of those that are kept, or one that is older and read for this once. */
static const struct ff_digest *find(const struct ff_web_api *api, const char *id,
				    const struct ff_digest *const *runs, uint32_t len,
				    struct ff_digest **read, struct ff_err *err)
{
	char *journal;

	for (uint32_t i = 0; id && i < len; i++)
		if (strcmp(runs[i]->id, id) == 0)
			return runs[i];
	journal = ff_web_folder_journal(api->folder, id ? id : "", err);
	if (journal)
		*read = ff_digest_read(id, journal, err);
	ff_free(journal);
	return *read;
}

enum MHD_Result ff_web_compare(const struct ff_web_api *api, struct MHD_Connection *connection)
{
	const struct ff_digest *runs[FF_DIGESTS_MAX], *before, *after = NULL;
	struct ff_digest *read[2] = {NULL, NULL};
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	uint32_t len = ff_digests_borrow(api->digests, OTHERS, runs);
	enum MHD_Result result;
	int rc;

	before = find(api, ff_web_argument(connection, "before"), runs, len, &read[0], &err);
	if (before)
		after = find(api, ff_web_argument(connection, "after"), runs, len, &read[1], &err);
	rc = after ? ff_compare(&out, before, after, runs, len) : err.code;
	ff_digests_give_back(api->digests);
	result = ff_web_answer(connection, rc, &out, &err);
	ff_digest_free(read[0]);
	ff_digest_free(read[1]);
	ff_buf_release(&out);
	return result;
}

enum MHD_Result ff_web_history(const struct ff_web_api *api, struct MHD_Connection *connection)
{
	const struct ff_digest *runs[FF_DIGESTS_MAX];
	const char *job = ff_web_argument(connection, "job");
	const char *name = ff_web_argument(connection, "name");
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	int64_t max = RUNS;
	enum MHD_Result result;
	int rc = ff_web_take_number(connection, "runs", FF_DIGESTS_MAX, &max, &err);

	if (rc == 0 && (!job || !name))
		rc = ff_err_set(&err, FF_EINVAL, "expected the job and the name of a unit");
	if (rc == 0) {
		uint32_t len = ff_digests_borrow(api->digests, (uint32_t)max, runs);

		rc = ff_history(&out, job, name, runs, len);
		ff_digests_give_back(api->digests);
	}
	result = ff_web_answer(connection, rc, &out, &err);
	ff_buf_release(&out);
	return result;
}

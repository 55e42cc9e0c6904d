/* "runs/RUN/artifacts/…": files that were brought from hosts, as a list and as downloads. Browsers
 * are told to keep them, never to show or run them. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "report/text.h"
#include "web/api.h"
#include "web/artifacts.h"
#include "web/http.h"

enum { COUNT = 200, COUNT_MAX = 1000 };

/* What may be asked for of a file. */
struct range {
	bool given, wrong;
	uint64_t from, len;
};

/* "bytes=0-99", "bytes=100-", "bytes=-100"; several, or what is none, is as if nothing was said. */
static struct range range_of(const char *text, uint64_t size)
{
	struct range range = {.len = size};
	uint64_t from, last;
	const char *dash;
	char *first;

	if (!text || strncmp(text, "bytes=", 6) != 0 || !(dash = strchr(text, '-')))
		return range;
	first = ff_xstrndup(text + 6, (size_t)(dash - text - 6));
	from = ff_web_number(first, UINT64_MAX);
	last = ff_web_number(dash + 1, UINT64_MAX);
	if ((*first && from == UINT64_MAX) || (dash[1] && last == UINT64_MAX) ||
	    (!*first && !dash[1]) || (*first && dash[1] && last < from)) {
		ff_free(first);
		return range;
	}
	range.given = true;
	if (!*first) {
		range.wrong = last == 0 || size == 0;
		range.len = last < size ? last : size;
		range.from = size - range.len;
	} else {
		range.wrong = from >= size;
		range.from = from;
		range.len = range.wrong ? 0 : size - from;
		if (dash[1] && last - from < range.len)
			range.len = last - from + 1;
	}
	ff_free(first);
	return range;
}

/* A name that leads nowhere, and says what it is: attachment; filename="…"; filename*=… */
static char *disposition(const char *name)
{
	struct ff_buf line = FF_BUF_INIT, out = FF_BUF_INIT;
	const char *text;

	ff_text_line(&line, name, 0, "");
	text = line.len ? ff_buf_str(&line) : "file";
	ff_buf_addstr(&out, "attachment; filename=\"");
	for (const char *p = text; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || *p == '_' || *p == '-' ||
			     (*p == '.' && p > text);

		ff_buf_addch(&out, plain ? *p : '_');
	}
	ff_buf_addstr(&out, "\"; filename*=UTF-8''");
	for (const char *p = text; *p; p++)
		ff_buf_addf(&out, "%%%02X", (unsigned char)*p);
	ff_buf_release(&line);
	return ff_buf_take(&out);
}

static enum MHD_Result send_file(struct MHD_Connection *connection, struct ff_artifact *file)
{
	struct range range = range_of(ff_web_header(connection, "Range"), file->size);
	struct MHD_Response *response;
	char *attachment;
	char about[80];

	/* There is nothing that a part could be compared by. */
	if (ff_web_header(connection, "If-Range"))
		range = (struct range){.len = file->size};
	if (range.wrong)
		return ff_web_refuse(connection, 416, "the file is not as long as that");
	response = MHD_create_response_from_fd_at_offset64(range.len, file->fd, range.from);
	if (!response)
		return ff_web_refuse(connection, 503, "out of memory");
	file->fd = -1; /* the response's */
	attachment = disposition(file->name);
	MHD_add_response_header(response, "Content-Disposition", attachment);
	MHD_add_response_header(response, "Accept-Ranges", "bytes");
	if (range.given) {
		snprintf(about, sizeof(about), "bytes %llu-%llu/%llu",
			 (unsigned long long)range.from,
			 (unsigned long long)(range.from + range.len - 1),
			 (unsigned long long)file->size);
		MHD_add_response_header(response, "Content-Range", about);
	}
	ff_free(attachment);
	return ff_web_send(connection, range.given ? 206 : 200, response,
			   "application/octet-stream",
			   "default-src 'none'; frame-ancestors 'none'; sandbox");
}

static enum MHD_Result answer_list(struct MHD_Connection *connection, const char *folder,
				   int64_t told_us)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {0};
	int64_t from = 0, count = COUNT;
	enum MHD_Result result;
	int rc = ff_web_take_number(connection, "from", UINT32_MAX, &from, &err);

	if (rc == 0)
		rc = ff_web_take_number(connection, "count", COUNT_MAX, &count, &err);
	if (rc == 0)
		rc = ff_artifacts_list(folder, told_us, (uint32_t)from, (uint32_t)count, &out,
				       &err);
	result = ff_web_answer(connection, rc, &out, &err);
	ff_buf_release(&out);
	return result;
}

enum MHD_Result ff_web_artifacts(const struct ff_web_api *api, struct MHD_Connection *connection,
				 const char *run, const char *what)
{
	const char *slash = strchr(what, '/');
	char *first = ff_xstrndup(what, slash ? (size_t)(slash - what) : strlen(what));
	uint64_t number = ff_web_number(first, UINT64_MAX);
	uint64_t file = slash ? ff_web_number(slash + 1, UINT64_MAX) : 0;
	struct ff_artifact artifact = {.fd = -1};
	struct ff_err err = {0};
	enum MHD_Result result;
	char *folder = NULL;
	int64_t told_us = 0;
	int rc;

	ff_free(first);
	if (number >= UINT32_MAX || file >= UINT32_MAX)
		return ff_web_refuse(connection, 404, "there is no such part of a run");
	rc = ff_web_folder_left(api->folder, run, (uint32_t)number, &folder, &told_us, &err);
	if (rc == 0 && slash)
		rc = ff_artifacts_open(folder, told_us, (uint32_t)file, &artifact, &err);
	if (rc < 0)
		result = ff_web_answer(connection, rc, NULL, &err);
	else if (slash)
		result = send_file(connection, &artifact);
	else
		result = answer_list(connection, folder, told_us);
	ff_artifact_release(&artifact);
	ff_free(folder);
	return result;
}

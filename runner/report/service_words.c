/* The commands of the services, each with what it wants escaped. */
#include <string.h>

#include "event/event.h"
#include "report/service.h"
#include "report/text.h"

/* --- GitHub --- */

static void github_escape(struct ff_buf *out, const char *text, bool property)
{
	for (; *text; text++)
		if (*text == '%' || *text == '\r' || *text == '\n' ||
		    (property && (*text == ':' || *text == ',')))
			ff_buf_addf(out, "%%%02X", (unsigned)(unsigned char)*text);
		else
			ff_buf_addch(out, *text);
}

static void github_begin(struct ff_buf *out, int64_t time_us, const char *id, const char *title)
{
	(void)time_us;
	(void)id;
	ff_buf_addstr(out, "::group::");
	github_escape(out, title, false);
	ff_buf_addch(out, '\n');
}

static void github_end(struct ff_buf *out, int64_t time_us, const char *id)
{
	(void)time_us;
	(void)id;
	ff_buf_addstr(out, "::endgroup::\n");
}

static void github_complain(struct ff_buf *out, const struct ff_service_complaint *complaint)
{
	ff_buf_addstr(out, complaint->error ? "::error " : "::warning ");
	if (complaint->file) {
		ff_buf_addstr(out, "file=");
		github_escape(out, complaint->file, true);
		if (complaint->line > 0)
			ff_buf_addf(out, ",line=%d", complaint->line);
		ff_buf_addch(out, ',');
	}
	ff_buf_addstr(out, "title=");
	github_escape(out, complaint->title, true);
	ff_buf_addstr(out, "::");
	github_escape(out, complaint->message, false);
	ff_buf_addch(out, '\n');
}

/* --- GitLab --- */

static void gitlab_begin(struct ff_buf *out, int64_t time_us, const char *id, const char *title)
{
	ff_buf_addf(out, "section_start:%lld:%s\r\033[0K%s\n", (long long)(time_us / 1000000), id,
		    title);
}

static void gitlab_end(struct ff_buf *out, int64_t time_us, const char *id)
{
	ff_buf_addf(out, "section_end:%lld:%s\r\033[0K\n", (long long)(time_us / 1000000), id);
}

/* --- Buildkite: a group ends where the next one begins --- */

static void buildkite_begin(struct ff_buf *out, int64_t time_us, const char *id, const char *title)
{
	(void)time_us;
	(void)id;
	ff_buf_addf(out, "--- %s\n", title);
}

static void buildkite_end(struct ff_buf *out, int64_t time_us, const char *id)
{
	(void)time_us;
	ff_buf_addf(out, "+++ %s: result\n", id);
}

/* --- TeamCity --- */

static void teamcity_value(struct ff_buf *out, const char *name, const char *text)
{
	ff_buf_addf(out, " %s='", name);
	for (; *text; text++)
		if (*text == '\n')
			ff_buf_addstr(out, "|n");
		else if (*text == '\r')
			ff_buf_addstr(out, "|r");
		else if (strchr("|'[]", *text))
			ff_buf_addf(out, "|%c", *text);
		else
			ff_buf_addch(out, *text);
	ff_buf_addch(out, '\'');
}

static void teamcity_begin(struct ff_buf *out, int64_t time_us, const char *id, const char *title)
{
	(void)time_us;
	ff_buf_addstr(out, "##teamcity[blockOpened");
	teamcity_value(out, "name", id);
	teamcity_value(out, "description", title);
	ff_buf_addstr(out, "]\n");
}

static void teamcity_end(struct ff_buf *out, int64_t time_us, const char *id)
{
	(void)time_us;
	ff_buf_addstr(out, "##teamcity[blockClosed");
	teamcity_value(out, "name", id);
	ff_buf_addstr(out, "]\n");
}

static void teamcity_complain(struct ff_buf *out, const struct ff_service_complaint *complaint)
{
	struct ff_buf text = FF_BUF_INIT;

	ff_buf_addf(&text, "%s: %s", complaint->title, complaint->message);
	ff_buf_addstr(out, complaint->error ? "##teamcity[buildProblem" : "##teamcity[message");
	/* Longer ones are refused. */
	if (complaint->error && text.len > 4000)
		text.len = 4000;
	teamcity_value(out, complaint->error ? "description" : "text", ff_buf_str(&text));
	if (!complaint->error)
		ff_buf_addstr(out, " status='WARNING'");
	ff_buf_addstr(out, "]\n");
	ff_buf_release(&text);
}

static void teamcity_text(struct ff_buf *out, const char *name, const char *text, size_t len)
{
	struct ff_buf shown = FF_BUF_INIT;
	size_t from = len > FF_SERVICE_TEXT_MAX ? len - FF_SERVICE_TEXT_MAX : 0;

	ff_text_lines(&shown, text + from, len - from, "", false);
	teamcity_value(out, name, ff_buf_str(&shown));
	ff_buf_release(&shown);
}

static void teamcity_output(struct ff_buf *out, const char *name, const struct ff_section *section)
{
	bool err = section->title && strstr(section->title, "stderr");

	if (!section->text || section->len == 0)
		return;
	ff_buf_addf(out, "##teamcity[testStd%s", err ? "Err" : "Out");
	teamcity_value(out, "name", name);
	teamcity_text(out, "out", section->text, section->len);
	ff_buf_addstr(out, "]\n");
}

static void teamcity_unit(struct ff_buf *out, const char *name, const struct ff_result *result)
{
	struct ff_buf message = FF_BUF_INIT;
	bool bad = ff_outcome_bad(result->outcome);

	ff_text_line(&message, result->message ? result->message : ff_outcome_word(result->outcome),
		     400, "...");
	ff_buf_addstr(out, "##teamcity[testStarted");
	teamcity_value(out, "name", name);
	ff_buf_addstr(out, "]\n");
	for (size_t i = 0; bad && i < result->sections_len; i++)
		teamcity_output(out, name, &result->sections[i]);
	if (bad || result->outcome == FF_OUTCOME_SKIPPED) {
		ff_buf_addstr(out, bad ? "##teamcity[testFailed" : "##teamcity[testIgnored");
		teamcity_value(out, "name", name);
		teamcity_value(out, "message", ff_buf_str(&message));
		if (bad && result->longrepr)
			teamcity_text(out, "details", result->longrepr, strlen(result->longrepr));
		ff_buf_addstr(out, "]\n");
	}
	ff_buf_addstr(out, "##teamcity[testFinished");
	teamcity_value(out, "name", name);
	ff_buf_addf(out, " duration='%lld']\n", (long long)(result->duration_us / 1000));
	ff_buf_release(&message);
}

const struct ff_service_words *ff_service_words(enum ff_service service)
{
	static const struct ff_service_words all[FF_SERVICES] = {
		[FF_SERVICE_GITHUB] = {.begin = github_begin,
				       .end = github_end,
				       .complain = github_complain,
				       .complaints_max = 10},
		[FF_SERVICE_GITLAB] = {.begin = gitlab_begin, .end = gitlab_end},
		[FF_SERVICE_BUILDKITE] = {.begin = buildkite_begin, .end = buildkite_end},
		[FF_SERVICE_TEAMCITY] = {.begin = teamcity_begin,
					 .end = teamcity_end,
					 .complain = teamcity_complain,
					 .unit = teamcity_unit},
	};

	return service == FF_SERVICE_NONE ? NULL : &all[service];
}

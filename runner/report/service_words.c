/* The commands of the services, each with what it wants escaped. */
#include <string.h>

#include "event/event.h"
#include "report/alike.h"
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

/* Folded from the start, as the others show it; the result stands below. */
static void gitlab_begin(struct ff_buf *out, int64_t time_us, const char *id, const char *title)
{
	ff_buf_addf(out, "\033[0Ksection_start:%lld:%s[collapsed=true]\r\033[0K%s\n",
		    (long long)(time_us / 1000000), id, title);
}

static void gitlab_end(struct ff_buf *out, int64_t time_us, const char *id)
{
	ff_buf_addf(out, "\033[0Ksection_end:%lld:%s\r\033[0K\n", (long long)(time_us / 1000000),
		    id);
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

/* Line ends of Unicode's: a message must be one line for all who read it. */
static size_t teamcity_line_end(struct ff_buf *out, const char *text)
{
	static const struct {
		const char *utf8, *escaped;
	} ends[] = {
		{"\xc2\x85", "|0x0085"}, {"\xe2\x80\xa8", "|0x2028"}, {"\xe2\x80\xa9", "|0x2029"}};

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		size_t len = strlen(ends[i].utf8);

		if (strncmp(text, ends[i].utf8, len) != 0)
			continue;
		ff_buf_addstr(out, ends[i].escaped);
		return len;
	}
	return 0;
}

static void teamcity_value(struct ff_buf *out, const char *name, const char *text)
{
	size_t len;

	ff_buf_addf(out, " %s='", name);
	for (; *text; text++)
		if ((len = teamcity_line_end(out, text)) > 0)
			text += len - 1;
		else if (*text == '\n')
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

/* Of a longer text at most `max` bytes, and none of half a character. */
static void cut(struct ff_buf *text, size_t max)
{
	const uint8_t *bytes = ff_buf_data(text);

	while (max > 0 && (bytes[max] & 0xc0) == 0x80)
		max--;
	text->len = max;
}

static void teamcity_complain(struct ff_buf *out, const struct ff_service_complaint *complaint)
{
	struct ff_buf text = FF_BUF_INIT;

	ff_buf_addf(&text, "%s: %s", complaint->title, complaint->message);
	ff_buf_addstr(out, complaint->error ? "##teamcity[buildProblem" : "##teamcity[message");
	/* Longer ones are cut, or refused. */
	if (complaint->error && text.len > 4000)
		cut(&text, 4000);
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

/* What is known of a failure, its place first unless a traceback has it. */
static void teamcity_details(struct ff_buf *out, const struct ff_result *result)
{
	struct ff_buf text = FF_BUF_INIT, frame = FF_BUF_INIT;

	ff_alike_frame(&frame, result->longrepr);
	if (frame.len == 0 && result->file && *result->file)
		ff_buf_addf(&text, "%s:%d\n", result->file, result->line > 0 ? result->line : 1);
	if (result->longrepr)
		ff_buf_addstr(&text, result->longrepr);
	if (text.len > 0)
		teamcity_text(out, "details", ff_buf_str(&text), text.len);
	ff_buf_release(&frame);
	ff_buf_release(&text);
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
		if (bad)
			teamcity_details(out, result);
		ff_buf_addstr(out, "]\n");
	}
	ff_buf_addstr(out, "##teamcity[testFinished");
	teamcity_value(out, "name", name);
	ff_buf_addf(out, " duration='%lld']\n", (long long)(result->duration_us / 1000));
	ff_buf_release(&message);
}

/* Behind what it says of the build itself, which may have other steps. */
static void teamcity_totals(struct ff_buf *out, const char *totals)
{
	struct ff_buf text = FF_BUF_INIT;

	ff_buf_addf(&text, "{build.status.text}; farflung: %s", totals);
	ff_buf_addstr(out, "##teamcity[buildStatus");
	teamcity_value(out, "text", ff_buf_str(&text));
	ff_buf_addstr(out, "]\n");
	ff_buf_release(&text);
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
					 .unit = teamcity_unit,
					 .totals = teamcity_totals},
	};

	return service == FF_SERVICE_NONE ? NULL : &all[service];
}

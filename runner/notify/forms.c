/* What Slack, Teams, Mattermost, Discord, GitHub and GitLab want to get. Names of tests and what
 * they print may hold anything: none of it is markup, a mention or a link. Sizes are the services'
 * own limits, less some. Pure. */
#include <string.h>

#include "base/alloc.h"
#include "notify/private.h"

enum {
	SLACK_TEXT_MAX = 2800,	     /* bytes of a section: 3000 characters */
	MATTERMOST_TEXT_MAX = 12000, /* 16383 characters of a post */
	DISCORD_TEXT_MAX = 1800,     /* 2000 characters of a message */
	TEAMS_TEXT_MAX = 12000,	     /* 28 KB of a message */
	GITHUB_TEXT_MAX = 136,	     /* bytes of a description: 140 */
	GITLAB_TEXT_MAX = 250,	     /* 255 */
};

static bool is_good(const json_t *document)
{
	return !strcmp(ff_notify_get(document, "result"), "passed");
}

/* For reports that know more than black and white. */
static const char *sign(const json_t *document)
{
	const char *result = ff_notify_get(document, "result");

	if (!strcmp(result, "passed"))
		return "\xe2\x9c\x85"; /* a check mark */
	if (!strcmp(result, "failed") || !strcmp(ff_notify_get(document, "event"), "first_failure"))
		return "\xe2\x9d\x8c";	   /* a cross */
	return "\xe2\x84\xb9\xef\xb8\x8f"; /* an i */
}

/* Slack's three. */
static char *escaped_for_slack(const char *text, size_t max)
{
	char *cut = ff_notify_text(text, max);
	struct ff_buf out = FF_BUF_INIT;

	for (const char *at = cut; *at; at++) {
		if (*at == '&')
			ff_buf_addstr(&out, "&amp;");
		else if (*at == '<')
			ff_buf_addstr(&out, "&lt;");
		else if (*at == '>')
			ff_buf_addstr(&out, "&gt;");
		else
			ff_buf_addch(&out, *at);
	}
	ff_free(cut);
	return out.len ? ff_buf_take(&out) : ff_xstrdup("");
}

/* Text that can stand between ``` without ending that: an accent is not the sign. */
static char *fenced(const char *text, size_t max)
{
	char *cut = ff_notify_text(text, max);
	struct ff_buf out = FF_BUF_INIT;

	for (const char *at = cut; *at; at++) {
		if (*at == '`')
			ff_buf_addstr(&out, "\xcb\x8b");
		else
			ff_buf_addch(&out, *at);
	}
	ff_free(cut);
	return out.len ? ff_buf_take(&out) : ff_xstrdup("");
}

json_t *ff_form_slack(const json_t *document)
{
	const char *link = ff_notify_get(document, "link");
	char *title = escaped_for_slack(ff_notify_get(document, "title"), SLACK_TEXT_MAX / 8);
	char *own = fenced(ff_notify_get(document, "text"), SLACK_TEXT_MAX / 2);
	char *text = escaped_for_slack(own, SLACK_TEXT_MAX / 2);
	char *to = escaped_for_slack(link, SLACK_TEXT_MAX / 4);
	json_t *json;

	/* `text` is what notifications and readers without blocks show. */
	json = json_pack("{s:o, s:[{s:s, s:{s:s, s:o}}, {s:s, s:{s:s, s:o}}]}", "text",
			 json_sprintf("%s %s", sign(document), title), "blocks", "type", "section",
			 "text", "type", "mrkdwn", "text",
			 json_sprintf("%s %s%s%s%s", sign(document), title, *to ? "\n<" : "", to,
				      *to ? ">" : ""),
			 "type", "section", "text", "type", "mrkdwn", "text",
			 json_sprintf("```%s```", text));
	ff_free(to);
	ff_free(text);
	ff_free(own);
	ff_free(title);
	return json;
}

/* Mattermost's and Discord's: in a fence nothing is a mention. */
static json_t *markdown(const json_t *document, size_t max)
{
	const char *link = ff_notify_get(document, "link");
	char *title = fenced(ff_notify_get(document, "title"), max / 8);
	char *text = fenced(ff_notify_get(document, "text"), max / 2);
	char *to = ff_notify_text(link, max / 4);
	json_t *json = json_sprintf("%s `%s`%s%s%s\n```\n%s\n```", sign(document), title,
				    *to ? "\n<" : "", to, *to ? ">" : "", text);

	ff_free(to);
	ff_free(text);
	ff_free(title);
	return json;
}

json_t *ff_form_mattermost(const json_t *document)
{
	return json_pack("{s:o}", "text", markdown(document, MATTERMOST_TEXT_MAX));
}

json_t *ff_form_discord(const json_t *document)
{
	return json_pack("{s:o, s:{s:[]}}", "content", markdown(document, DISCORD_TEXT_MAX),
			 "allowed_mentions", "parse");
}

/* Runs of text know no markup, where text blocks do. */
static json_t *teams_line(const char *text, const char *weight, const char *font)
{
	return json_pack("{s:s, s:[{s:s, s:s, s:s, s:s}]}", "type", "RichTextBlock", "inlines",
			 "type", "TextRun", "text", text, "weight", weight, "fontType", font);
}

json_t *ff_form_teams(const json_t *document)
{
	const char *link = ff_notify_get(document, "link");
	char *title = ff_notify_text(ff_notify_get(document, "title"), TEAMS_TEXT_MAX / 8);
	char *text = ff_notify_text(ff_notify_get(document, "text"), TEAMS_TEXT_MAX);
	json_t *body = json_array(), *actions = json_array(), *card;
	char *rest = text, *line;

	json_array_append_new(body, teams_line(title, "Bolder", "Default"));
	/* A run's line ends are blanks. */
	while ((line = strsep(&rest, "\n")))
		if (*line)
			json_array_append_new(body, teams_line(line, "Default", "Monospace"));
	if (*link)
		json_array_append_new(actions,
				      json_pack("{s:s, s:s, s:s}", "type", "Action.OpenUrl",
						"title", "Open", "url", link));
	card = json_pack("{s:s, s:s, s:s, s:{s:s}, s:o, s:o}", "type", "AdaptiveCard", "$schema",
			 "http://adaptivecards.io/schemas/adaptive-card.json", "version", "1.4",
			 "msteams", "width", "Full", "body", body, "actions", actions);
	ff_free(title);
	ff_free(text);
	return json_pack("{s:s, s:[{s:s, s:o}]}", "type", "message", "attachments", "contentType",
			 "application/vnd.microsoft.card.adaptive", "content", card);
}

/* --- a commit's status --- */

static json_t *description(const json_t *document, size_t max)
{
	char *text = ff_notify_text(ff_notify_get(document, "summary"), max);
	json_t *json;

	for (char *at = text; *at; at++)
		*at = *at == '\n' ? ' ' : *at;
	json = json_string(text);
	ff_free(text);
	return json;
}

static bool has_failed(const json_t *document)
{
	return !strcmp(ff_notify_get(document, "result"), "failed") ||
	       !strcmp(ff_notify_get(document, "event"), "first_failure");
}

static bool was_interrupted(const json_t *document)
{
	return !strcmp(ff_notify_get(document, "result"), "interrupted");
}

static json_t *with_link(json_t *json, const json_t *document)
{
	if (*ff_notify_get(document, "link"))
		json_object_set(json, "target_url", json_object_get(document, "link"));
	return json;
}

json_t *ff_form_github(const json_t *document, const char *context)
{
	/* 1: tests have failed; what else went wrong is an error. */
	bool ours = json_integer_value(json_object_get(document, "exit_code")) > 1;
	const char *state = is_good(document)		? "success"
			    : was_interrupted(document) ? "error"
			    : !has_failed(document)	? "pending"
			    : ours			? "error"
							: "failure";

	return with_link(json_pack("{s:s, s:o, s:s}", "state", state, "description",
				   description(document, GITHUB_TEXT_MAX), "context", context),
			 document);
}

json_t *ff_form_gitlab(const json_t *document, const char *context)
{
	const char *state = is_good(document)		? "success"
			    : was_interrupted(document) ? "canceled"
			    : has_failed(document)	? "failed"
							: "running";

	return with_link(json_pack("{s:s, s:o, s:s}", "state", state, "description",
				   description(document, GITLAB_TEXT_MAX), "name", context),
			 document);
}

/* Which reports go where: what the file says below `report:`, and what the command line says. */
#include <string.h>

#include "base/alloc.h"
#include "cli/execute.h"
#include "config/mistakes.h"
#include "report/reporter.h"

static void complain_unknown(struct ff_mistakes *problems, const struct ff_config_report *report)
{
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, report->name);
	for (size_t i = 0; ff_reporter_kinds[i]; i++)
		ff_suggest_offer(&suggest, ff_reporter_kind_key(ff_reporter_kinds[i]));
	ff_mistakes_add(problems, &report->place, "unknown key '%s'%s", report->name,
			ff_suggest_text(&suggest, hint));
}

/* The last one of a kind holds. */
static void wish(struct ff_report_wishes *wishes, const struct ff_reporter_kind *kind,
		 const char *value)
{
	size_t i = 0;

	while (i < wishes->len && wishes->v[i].kind != kind)
		i++;
	if (i == wishes->len) {
		wishes->v = ff_xrealloc(wishes->v, (i + 1) * sizeof(*wishes->v));
		wishes->v[wishes->len++] = (struct ff_report_wish){.kind = kind};
	}
	wishes->v[i].value = value;
}

static const struct ff_place *place_of(const struct ff_config *config,
				       const struct ff_report_wish *report)
{
	for (size_t i = 0; i < config->reports_len; i++)
		if (config->reports[i].path == report->value ||
		    config->reports[i].text == report->value)
			return &config->reports[i].place;
	return NULL;
}

static void check_stdout(struct ff_report_wishes *wishes, const struct ff_config *config,
			 struct ff_mistakes *problems)
{
	const struct ff_report_wish *first = NULL;

	for (size_t i = 0; i < wishes->len; i++) {
		const struct ff_report_wish *report = &wishes->v[i];

		if (!ff_reporter_kind_has_path(report->kind) || strcmp(report->value, "-"))
			continue;
		if (!report->kind->may_be_stdout &&
		    !(wishes->may_wait && strcmp(report->kind->arg, "FILE") == 0))
			ff_mistakes_add(problems, place_of(config, report),
					"'%s' can't be written to stdout, it wants a %s",
					report->kind->name,
					strcmp(report->kind->arg, "DIR") ? "file" : "folder");
		else if (first)
			ff_mistakes_add(problems, place_of(config, report),
					"'%s' and '%s' can't both be written to stdout",
					first->kind->name, report->kind->name);
		else
			first = report;
	}
	wishes->stdout_taken = first != NULL;
}

/* As the user has spelled it. */
static const char *spelled(const struct ff_config *config, const struct ff_report_wish *report)
{
	return place_of(config, report) ? ff_reporter_kind_key(report->kind) : report->kind->name;
}

static void check_choices(const struct ff_report_wishes *wishes, const struct ff_config *config,
			  struct ff_mistakes *problems)
{
	for (size_t i = 0; i < wishes->len; i++)
		if (!ff_reporter_kind_takes(wishes->v[i].kind, wishes->v[i].value))
			ff_mistakes_add(problems, place_of(config, &wishes->v[i]),
					"'%s' wants %s, got '%s'", spelled(config, &wishes->v[i]),
					wishes->v[i].kind->choices, wishes->v[i].value);
}

/* What says how another report is to be wants that. */
static void check_alone(const struct ff_report_wishes *wishes, const struct ff_config *config,
			struct ff_mistakes *problems)
{
	for (size_t i = 0; i < wishes->len; i++) {
		const char *of = wishes->v[i].kind->of;
		size_t k = 0;

		while (of && k < wishes->len && strcmp(wishes->v[k].kind->name, of) != 0)
			k++;
		if (of && k == wishes->len)
			ff_mistakes_add(problems, place_of(config, &wishes->v[i]),
					"'%s' says how '%s' is written, and there is none",
					spelled(config, &wishes->v[i]), of);
	}
}

/* Those that are on where nobody said anything. */
static void wish_by_itself(struct ff_report_wishes *wishes)
{
	for (size_t k = 0; ff_reporter_kinds[k]; k++) {
		const struct ff_reporter_kind *kind = ff_reporter_kinds[k];
		const char *value = kind->by_itself ? kind->by_itself() : NULL;
		size_t i = 0;

		while (i < wishes->len && wishes->v[i].kind != kind)
			i++;
		if (value && i == wishes->len)
			wish(wishes, kind, value);
	}
}

int ff_reports_choose(struct ff_report_wishes *wishes, const struct ff_config *config,
		      const struct ff_strv *given, struct ff_err *err)
{
	struct ff_report_wishes chosen = {.may_wait = wishes->may_wait};
	struct ff_mistakes problems;
	int rc;

	ff_mistakes_init(&problems, config->path);
	for (size_t i = 0; i < config->reports_len; i++) {
		const struct ff_config_report *report = &config->reports[i];
		const struct ff_reporter_kind *kind = ff_reporter_kind_find(report->name);

		if (kind)
			wish(&chosen, kind,
			     ff_reporter_kind_has_path(kind) ? report->path : report->text);
		else
			complain_unknown(&problems, report);
	}
	for (size_t i = 0; given && i + 1 < given->len; i += 2)
		wish(&chosen, ff_reporter_kind_find(given->v[i]), given->v[i + 1]);
	wish_by_itself(&chosen);
	check_choices(&chosen, config, &problems);
	check_alone(&chosen, config, &problems);
	check_stdout(&chosen, config, &problems);
	rc = ff_mistakes_finish(&problems, err);
	if (rc)
		ff_reports_release(&chosen);
	else
		*wishes = chosen;
	return rc;
}

int ff_reports_open(struct ff_reporters *reporters, const struct ff_report_wishes *wishes,
		    const struct ff_reporter_opts *how, struct ff_err *err)
{
	struct ff_reporter_opts set = *how;

	for (size_t i = 0; i < wishes->len; i++)
		if (wishes->v[i].kind->set)
			wishes->v[i].kind->set(&set, wishes->v[i].value);
	for (size_t i = 0; i < wishes->len; i++) {
		const struct ff_reporter_kind *kind = wishes->v[i].kind;
		struct ff_reporter *reporter =
			kind->open ? kind->open(&set, wishes->v[i].value, err) : NULL;

		if (!kind->open)
			continue;
		if (!reporter)
			return err->code;
		if (kind->first)
			ff_reporters_add_first(reporters, reporter);
		else
			ff_reporters_add(reporters, reporter);
	}
	return 0;
}

bool ff_reports_served(const struct ff_report_wishes *wishes)
{
	for (size_t i = 0; i < wishes->len; i++)
		if (wishes->v[i].kind->first && strcmp(wishes->v[i].value, "none") != 0)
			return true;
	return false;
}

void ff_reports_release(struct ff_report_wishes *wishes)
{
	ff_free(wishes->v);
	*wishes = (struct ff_report_wishes){0};
}

struct ff_config_note *ff_reports_notes(void)
{
	struct ff_config_note *notes;
	size_t len = 0;

	while (ff_reporter_kinds[len])
		len++;
	notes = ff_xcalloc(len + 1, sizeof(*notes));
	for (size_t i = 0; i < len; i++)
		notes[i] =
			(struct ff_config_note){.key = ff_reporter_kind_key(ff_reporter_kinds[i]),
						.help = ff_reporter_kinds[i]->help,
						.choices = ff_reporter_kinds[i]->choices};
	return notes;
}

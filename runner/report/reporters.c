/* The registry of reporters, and the list of those of a run. */
#include <string.h>

#include "base/alloc.h"
#include "report/reporter.h"

/* Each NAME.c, here, in web/ or in notify/, has a `const struct ff_reporter_kind ff_report_NAME`.
 */
#define REPORTERS(X)                                                                               \
	X(junit)                                                                                   \
	X(junit_dialect)                                                                           \
	X(jsonl)                                                                                   \
	X(tap)                                                                                     \
	X(md)                                                                                      \
	X(ctrf)                                                                                    \
	X(codequality)                                                                             \
	X(html)                                                                                    \
	X(otlp)                                                                                    \
	X(results)                                                                                 \
	X(ci)

#define X(name) extern const struct ff_reporter_kind ff_report_##name;
REPORTERS(X)
#undef X

const struct ff_reporter_kind *const ff_reporter_kinds[] = {
#define X(name) &ff_report_##name,
	REPORTERS(X)
#undef X
		NULL,
};

const struct ff_reporter_kind *ff_reporter_kind_find(const char *name)
{
	for (const struct ff_reporter_kind *const *kind = ff_reporter_kinds; *kind; kind++)
		if (strcmp((*kind)->name, name) == 0 ||
		    ((*kind)->key && strcmp((*kind)->key, name) == 0))
			return *kind;
	return NULL;
}

const char *ff_reporter_kind_key(const struct ff_reporter_kind *kind)
{
	return kind->key ? kind->key : kind->name;
}

bool ff_reporter_kind_has_path(const struct ff_reporter_kind *kind)
{
	return !kind->choices && !kind->is_url;
}

bool ff_reporter_kind_takes(const struct ff_reporter_kind *kind, const char *value)
{
	const char *word = kind->choices;
	size_t len;

	if (!word)
		return true;
	for (; *word; word += len + strspn(word + len, ", ")) {
		len = strcspn(word, ", ");
		if (len == strlen(value) && !strncmp(word, value, len) && strcmp(value, "or") != 0)
			return true;
	}
	return false;
}

void ff_reporters_add(struct ff_reporters *reporters, struct ff_reporter *reporter)
{
	if (reporters->len == reporters->cap) {
		reporters->cap = reporters->cap ? 2 * reporters->cap : 4;
		reporters->v = ff_xrealloc(reporters->v, reporters->cap * sizeof(*reporters->v));
	}
	reporters->v[reporters->len++] = reporter;
}

void ff_reporters_add_first(struct ff_reporters *reporters, struct ff_reporter *reporter)
{
	ff_reporters_add(reporters, reporter);
	for (size_t i = reporters->len - 1; i > 0; i--)
		reporters->v[i] = reporters->v[i - 1];
	reporters->v[0] = reporter;
}

void ff_reporters_event(const struct ff_reporters *reporters, const struct ff_event *event)
{
	for (size_t i = 0; i < reporters->len; i++)
		reporters->v[i]->class->event(reporters->v[i], event);
}

void ff_reporters_tick(const struct ff_reporters *reporters, int64_t now_us)
{
	for (size_t i = 0; i < reporters->len; i++)
		if (reporters->v[i]->class->tick)
			reporters->v[i]->class->tick(reporters->v[i], now_us);
}

void ff_reporters_show(const struct ff_reporters *reporters)
{
	for (size_t i = 0; i < reporters->len; i++)
		if (reporters->v[i]->class->show)
			reporters->v[i]->class->show(reporters->v[i]);
}

/* All are asked: each that is full will wake. */
bool ff_reporters_deserted(const struct ff_reporters *reporters)
{
	bool deserted = false;

	for (size_t i = 0; i < reporters->len; i++)
		if (reporters->v[i]->class->deserted)
			deserted |= reporters->v[i]->class->deserted(reporters->v[i]);
	return deserted;
}

bool ff_reporters_full(const struct ff_reporters *reporters)
{
	bool full = false;

	for (size_t i = 0; i < reporters->len; i++)
		if (reporters->v[i]->class->full)
			full |= reporters->v[i]->class->full(reporters->v[i]);
	return full;
}

bool ff_reporters_failed(const struct ff_reporters *reporters, struct ff_err *err)
{
	for (size_t i = 0; i < reporters->len; i++)
		if (reporters->v[i]->class->failed &&
		    reporters->v[i]->class->failed(reporters->v[i], err))
			return true;
	return false;
}

int ff_reporters_finish(struct ff_reporters *reporters, void (*complain)(const char *text))
{
	int first = 0;

	for (size_t i = 0; i < reporters->len; i++) {
		struct ff_err err = {0};
		int rc = 0;

		if (reporters->v[i]->class->finish)
			rc = reporters->v[i]->class->finish(reporters->v[i], &err);
		if (rc >= 0)
			continue;
		complain(err.text);
		first = first ? first : rc;
	}
	return first;
}

void ff_reporters_abandon(const struct ff_reporters *reporters)
{
	for (size_t i = 0; i < reporters->len; i++)
		if (reporters->v[i]->class->abandon)
			reporters->v[i]->class->abandon(reporters->v[i]);
}

void ff_reporters_release(struct ff_reporters *reporters)
{
	for (size_t i = 0; i < reporters->len; i++)
		if (reporters->v[i]->class->free)
			reporters->v[i]->class->free(reporters->v[i]);
	ff_free(reporters->v);
	*reporters = (struct ff_reporters){0};
}

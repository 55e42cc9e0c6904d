/* The terminal reporter's warnings: kept as they come, those alike together, and listed at the end
 * with what gave them, as pytest does. */
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

enum { PLACES_MAX = 10 }; /* more than that are counted by file */

/* Warnings of one text from one file. */
struct file {
	struct ff_list node; /* in its warning, in the order of their coming */
	char *name;
	uint32_t count;
};

/* All of one text. */
struct warning {
	struct ff_list node; /* in the order of their coming */
	struct ff_buf text, places;
	struct ff_list files;
	uint32_t count;
};

/* "f.py:4: UserWarning: text", and the line there. */
static void add_text(const struct ff_terminal *t, struct ff_buf *out, const struct ff_event *event)
{
	struct ff_buf line = FF_BUF_INIT;
	const char *text = event->u.notice.text ? event->u.notice.text : "";

	if (event->u.notice.file) {
		ff_terminal_name(t, &line, event->u.notice.file);
		ff_buf_addf(&line, ":%d: ", event->u.notice.line);
	}
	ff_terminal_name(t, &line, event->u.notice.category);
	ff_buf_addf(&line, ": %s", text);
	ff_text_lines(out, (const char *)ff_buf_data(&line), line.len, "  ", false);
	if (event->u.notice.source)
		ff_text_lines(out, event->u.notice.source, strlen(event->u.notice.source), "    ",
			      false);
	ff_buf_release(&line);
}

/* What gave it: a test, or the place itself. */
static void add_place(const struct ff_terminal *t, struct ff_buf *out, const struct ff_event *event)
{
	if (event->u.notice.test) {
		ff_terminal_unit(t, out, event->job, event->u.notice.test);
	} else if (event->u.notice.file) {
		ff_terminal_name(t, out, event->u.notice.file);
		ff_buf_addf(out, ":%d", event->u.notice.line);
	}
}

static void count_file(struct ff_terminal *t, struct warning *warning, const char *place)
{
	const char *end = strstr(place, "::");
	char *name = ff_xstrndup(place, end ? (size_t)(end - place) : strlen(place));
	const char *key = ff_terminal_key(t, "f", ff_buf_str(&warning->text), name);
	struct file *file = ff_map_get(&t->warning_map, key);

	if (!file) {
		file = ff_xcalloc(1, sizeof(*file));
		file->name = ff_xstrdup(name);
		ff_list_add_tail(&warning->files, &file->node);
		ff_map_set(&t->warning_map, key, file);
	}
	file->count++;
	ff_free(name);
}

static struct warning *warning_of(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_buf text = FF_BUF_INIT;
	struct warning *warning;
	const char *key;

	add_text(t, &text, event);
	key = ff_terminal_key(t, "w", ff_buf_str(&text), NULL);
	warning = ff_map_get(&t->warning_map, key);
	if (!warning && t->warnings_size + text.len <= FF_TERMINAL_WARNINGS_MAX) {
		warning = ff_xcalloc(1, sizeof(*warning));
		ff_buf_add(&warning->text, ff_buf_data(&text), text.len);
		ff_list_init(&warning->files);
		ff_list_add_tail(&t->warning_list, &warning->node);
		ff_map_set(&t->warning_map, key, warning);
		t->warnings_size += text.len;
	}
	ff_buf_release(&text);
	return warning;
}

void ff_terminal_keep_warning(struct ff_terminal *t, const struct ff_event *event)
{
	struct warning *warning = warning_of(t, event);
	struct ff_buf place = FF_BUF_INIT;

	t->warnings_len++;
	if (!warning) {
		t->warnings_left_out++;
		return;
	}
	add_place(t, &place, event);
	warning->count++;
	if (place.len > 0) {
		count_file(t, warning, ff_buf_str(&place));
		if (warning->count < PLACES_MAX)
			ff_buf_addf(&warning->places, "%s\n", ff_buf_str(&place));
	}
	ff_buf_release(&place);
}

static void say_places(const struct warning *warning, struct ff_buf *out)
{
	struct ff_list *pos;

	if (warning->count < PLACES_MAX) {
		ff_buf_add(out, ff_buf_data(&warning->places), warning->places.len);
		return;
	}
	ff_list_for_each(pos, &warning->files) {
		const struct file *file = ff_container_of(pos, struct file, node);

		ff_buf_addf(out, "%s: %u warning%s\n", file->name, file->count,
			    file->count == 1 ? "" : "s");
	}
}

void ff_terminal_say_warnings(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	struct ff_list *pos;

	ff_list_for_each(pos, &t->warning_list) {
		const struct warning *warning = ff_container_of(pos, struct warning, node);

		say_places(warning, out);
		ff_buf_add(out, ff_buf_data(&warning->text), warning->text.len);
		ff_buf_addch(out, '\n');
	}
	if (t->warnings_left_out > 0)
		ff_buf_addf(out, "%u more %s not shown\n\n", t->warnings_left_out,
			    t->warnings_left_out == 1 ? "is" : "are");
}

void ff_terminal_free_warnings(struct ff_terminal *t)
{
	struct ff_list *pos, *tmp, *at, *next;

	ff_list_for_each_safe(pos, tmp, &t->warning_list) {
		struct warning *warning = ff_container_of(pos, struct warning, node);

		ff_list_for_each_safe(at, next, &warning->files) {
			struct file *file = ff_container_of(at, struct file, node);

			ff_free(file->name);
			ff_free(file);
		}
		ff_buf_release(&warning->text);
		ff_buf_release(&warning->places);
		ff_free(warning);
	}
	ff_map_release(&t->warning_map);
}

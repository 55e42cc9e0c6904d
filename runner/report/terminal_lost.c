/* Units that were lost with what ran them: the end names them, wherever else they ended. */
#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

struct lost {
	struct ff_list node; /* in the order in which they were lost first */
	struct ff_buf name;
	struct ff_buf last; /* where it was then, and why */
	uint32_t times;
};

static struct lost *lost_unit(struct ff_terminal *t, const struct ff_event *event)
{
	const char *key = ff_terminal_unit_key(t, event->job, event->index, 0);
	struct lost *lost = ff_map_get(&t->lost.units, key);

	if (lost || t->lost.len >= FF_TERMINAL_LOST_MAX)
		return lost;
	lost = ff_xcalloc(1, sizeof(*lost));
	ff_map_set(&t->lost.units, key, lost);
	ff_list_add_tail(&t->lost.list, &lost->node);
	ff_terminal_unit(t, &lost->name, event->job, event->unit);
	t->lost.len++;
	return lost;
}

void ff_terminal_keep_lost(struct ff_terminal *t, const struct ff_event *event)
{
	struct lost *lost = lost_unit(t, event);

	if (!lost) {
		t->lost.more++;
		return;
	}
	lost->times++;
	ff_buf_clear(&lost->last);
	ff_terminal_place(t, &lost->last, event);
	ff_buf_addstr(&lost->last, ": ");
	ff_terminal_name(t, &lost->last,
			 event->u.unit_lost.reason ? event->u.unit_lost.reason
						   : "for no known reason");
}

void ff_terminal_say_lost_units(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	struct ff_list *pos;

	if (t->lost.len == 0)
		return;
	ff_terminal_say_title(t, FF_TERMINAL_YELLOW, "lost with what ran them");
	ff_list_for_each(pos, &t->lost.list) {
		const struct lost *lost = ff_container_of(pos, struct lost, node);

		ff_buf_add(out, ff_buf_data(&lost->name), lost->name.len);
		if (lost->times > 1)
			ff_buf_addf(out, ", %u times, last", lost->times);
		ff_buf_add(out, ff_buf_data(&lost->last), lost->last.len);
		ff_buf_addch(out, '\n');
	}
	if (t->lost.more > 0)
		ff_buf_addf(out, "and %u more loss%s of others\n", t->lost.more,
			    t->lost.more == 1 ? "" : "es");
	ff_buf_addch(out, '\n');
}

void ff_terminal_free_lost(struct ff_terminal *t)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &t->lost.list) {
		struct lost *lost = ff_container_of(pos, struct lost, node);

		ff_buf_release(&lost->name);
		ff_buf_release(&lost->last);
		ff_free(lost);
	}
	ff_map_release(&t->lost.units);
}

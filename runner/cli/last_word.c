/* A reporter without a report: it remembers how the run ended. */
#include "cli/last_word.h"

#include "base/alloc.h"

static void last_word_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct ff_last_word *word = (struct ff_last_word *)reporter;

	if (event->kind == FF_EVENT_RUN_FINISHED) {
		ff_free(word->reason);
		word->reason = ff_xstrdup(event->u.run_finished.reason);
		word->why = event->u.run_finished.why;
	}
	if (event->kind == FF_EVENT_FRONT_FINISHED && !event->u.front_finished.error)
		word->front_status = (int)event->u.front_finished.exit_status;
}

static int last_word_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	return 0;
}

static void last_word_free(struct ff_reporter *reporter)
{
	struct ff_last_word *word = (struct ff_last_word *)reporter;

	ff_free(word->reason);
	ff_free(word);
}

static const struct ff_reporter_class last_word_class = {
	.name = "last word",
	.event = last_word_event,
	.finish = last_word_finish,
	.free = last_word_free,
};

struct ff_last_word *ff_last_word_new(void)
{
	struct ff_last_word *word = ff_xcalloc(1, sizeof(*word));

	word->base.class = &last_word_class;
	word->front_status = -1;
	return word;
}

/* What sessions say besides results: notices, lines on stderr, and what tests print where nothing
 * is captured. */
#include "dispatch/private.h"

void ff_said_notice(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_NOTICE);
	const struct ff_payload_notice *notice = &input->u.notice;

	/* What is the same in each worker, since all collect, is told once. */
	if (!(notice->unit && *notice->unit) &&
	    !ff_engine_first(&e->jobs[session->placement.job],
			     ff_engine_text(e, "%s:%d:%u:%.400s", notice->file ? notice->file : "",
					    notice->line, notice->nth, notice->text)))
		return;
	event.u.notice.level = notice->level;
	event.u.notice.text = notice->text;
	event.u.notice.category = notice->category;
	event.u.notice.file = notice->file;
	event.u.notice.line = notice->line;
	event.u.notice.source = notice->source;
	event.u.notice.test = notice->unit && *notice->unit ? notice->unit : NULL;
	ff_engine_emit(e, &event);
}

void ff_said_line(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_NOTICE);

	event.u.notice.level = "stderr";
	event.u.notice.text = input->u.said.text;
	ff_engine_emit(e, &event);
}

void ff_said_by_unit(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_NOTICE);
	uint32_t unit = ff_spread_unit(e, session, input->unit);

	if (!ff_run_session_runs(e, session) || e->state->workers[session->record].unit != unit)
		return;
	event.unit = ff_engine_unit_name(e, session->placement.job, unit);
	event.index = unit;
	event.u.notice.level = "output";
	event.u.notice.text = input->u.said.text;
	ff_engine_emit(e, &event);
}

/* --jsonl: every event as a line of JSON, as it happens. */
#include "base/alloc.h"
#include "event/journal.h"
#include "report/flow.h"
#include "report/reporter.h"

struct jsonl {
	struct ff_reporter base;
	struct ff_flow flow;
	int error; /* of the first event that could not be encoded */
	struct ff_buf line;
};

static void jsonl_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;
	int rc;

	/* A result is what this event is about. */
	if ((event->kind == FF_EVENT_UNIT_FINISHED || event->kind == FF_EVENT_UNIT_BEFORE) &&
	    !event->u.unit_finished.result)
		return;
	rc = ff_event_json(&jsonl->line, event);
	if (rc != 0) {
		jsonl->error = jsonl->error ? jsonl->error : rc;
		ff_buf_clear(&jsonl->line);
	}
	ff_flow_put(&jsonl->flow, &jsonl->line);
}

static bool jsonl_full(const struct ff_reporter *reporter)
{
	return ff_flow_full(&((const struct jsonl *)reporter)->flow);
}

static bool jsonl_deserted(const struct ff_reporter *reporter)
{
	return ff_flow_deserted(&((const struct jsonl *)reporter)->flow);
}

static int jsonl_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;
	int rc = ff_flow_finish(&jsonl->flow, err);

	if (rc == 0 && jsonl->error)
		rc = ff_err_set(err, jsonl->error, "cannot write '%s': %s", jsonl->flow.path,
				ff_err_text(jsonl->error));
	return rc;
}

static void jsonl_abandon(struct ff_reporter *reporter)
{
	ff_flow_abandon(&((struct jsonl *)reporter)->flow);
}

static void jsonl_free(struct ff_reporter *reporter)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;

	ff_flow_release(&jsonl->flow);
	ff_buf_release(&jsonl->line);
	ff_free(jsonl);
}

static const struct ff_reporter_class jsonl_class = {
	.name = "jsonl",
	.event = jsonl_event,
	.full = jsonl_full,
	.finish = jsonl_finish,
	.deserted = jsonl_deserted,
	.abandon = jsonl_abandon,
	.free = jsonl_free,
};

static struct ff_reporter *jsonl_open(const struct ff_reporter_opts *opts, const char *value,
				      struct ff_err *err)
{
	struct jsonl *jsonl = ff_xcalloc(1, sizeof(*jsonl));

	jsonl->base.class = &jsonl_class;
	if (ff_flow_open(&jsonl->flow, opts, value, err) == 0)
		return &jsonl->base;
	ff_free(jsonl);
	return NULL;
}

const struct ff_reporter_kind ff_report_jsonl = {
	.name = "jsonl",
	.arg = "FILE",
	.help = "write every event as a line of JSON to FILE, as it happens; - is stdout",
	.may_be_stdout = true,
	.open = jsonl_open,
};

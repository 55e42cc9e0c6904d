/* A document of a run, as one receiver gets it. */
#include "base/clock.h"
#include "notify/private.h"

enum ff_notify_when ff_notice_when(unsigned whens, const struct ff_config_receiver *receiver)
{
	for (int when = 0; when < FF_NOTIFY_WHENS; when++)
		if (whens & receiver->on & 1U << when)
			return (enum ff_notify_when)when;
	return FF_NOTIFY_WHENS;
}

json_t *ff_notice_for(const json_t *document, const struct ff_config_receiver *receiver,
		      const struct ff_notice *notice)
{
	json_t *copy = json_deep_copy(document);
	const char *run = ff_notify_get(copy, "run");

	/* The queue's order is that of names. */
	json_object_set_new(copy, "id",
			    json_sprintf("%016lld.%s.%d.%zu", (long long)ff_clock_wall_us(),
					 *run ? run : "none", notice->number, notice->receiver));
	if (notice->whens)
		json_object_set_new(
			copy, "event",
			json_string(ff_notify_word(ff_notice_when(notice->whens, receiver))));
	if (receiver->link)
		json_object_set_new(copy, "link", ff_template_text(receiver->link, copy));
	return copy;
}

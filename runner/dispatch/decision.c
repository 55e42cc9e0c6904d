/* Lists of events and orders that are filled, carried out and cleared. */
#include "dispatch/decision.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void ff_decision_clear(struct ff_decision *decision)
{
	decision->events_len = decision->orders_len = 0;
	ff_arena_release(&decision->arena);
}

void ff_decision_release(struct ff_decision *decision)
{
	ff_decision_clear(decision);
	ff_free(decision->events);
	ff_free(decision->orders);
	*decision = (struct ff_decision){0};
}

static void *grow(void *list, size_t len, size_t *cap, size_t size)
{
	if (len < *cap)
		return list;
	*cap = *cap ? 2 * *cap : 64;
	return ff_xrealloc(list, *cap * size);
}

void ff_decision_event(struct ff_decision *decision, const struct ff_event *event)
{
	decision->events =
		grow(decision->events, decision->events_len, &decision->events_cap, sizeof(*event));
	decision->events[decision->events_len++] = *event;
}

void ff_decision_order(struct ff_decision *decision, const struct ff_order *order)
{
	decision->orders =
		grow(decision->orders, decision->orders_len, &decision->orders_cap, sizeof(*order));
	decision->orders[decision->orders_len++] = *order;
}

static void *take(struct ff_decision *decision, size_t size)
{
	void *memory = ff_arena_alloc(&decision->arena, size);

	return memory ? memory : ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
}

const char *ff_decision_text(struct ff_decision *decision, const char *fmt, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	text = take(decision, (size_t)len + 1);
	va_start(args, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, args);
	va_end(args);
	return text;
}

void *ff_decision_copy(struct ff_decision *decision, const void *bytes, size_t len)
{
	return memcpy(take(decision, len ? len : 1), bytes, len);
}

const char *ff_order_word(enum ff_order_kind kind)
{
	static const char *const words[] = {
#define X(name) #name,
		FF_ORDER_MAP(X)
#undef X
	};

	return (unsigned)kind < FF_ORDER_KINDS ? words[kind] : "?";
}

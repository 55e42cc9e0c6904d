/* What a worker is to get from the queues, as a text: "4 5", "6 end"; for the tests of sched. */
#ifndef FF_TESTS_BATCH_H
#define FF_TESTS_BATCH_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sched/queues.h"

static inline void assert_list(const uint32_t *units, size_t len, bool end, const char *expected)
{
	char text[256] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u", i ? " " : "",
			 units[i]);
	strcat(text, end ? " end" : "");
	assert_string_equal(text, expected);
}

static inline void assert_batch(struct ff_queues *queues, uint32_t worker, const char *expected)
{
	struct ff_batch batch = ff_queues_next(queues, worker);

	assert_list(batch.units, batch.len, batch.end, expected);
}

#endif

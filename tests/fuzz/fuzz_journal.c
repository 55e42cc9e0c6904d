/* Any text as a line of a journal: refused, or an event that writes a line which reads back as the
 * same. */
#include <stdlib.h>
#include <string.h>

#include "event/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ff_arena arena = FF_ARENA_INIT, again = FF_ARENA_INIT;
	struct ff_buf line = FF_BUF_INIT, second = FF_BUF_INIT;
	struct ff_event event, copy;
	struct ff_err err = {0};

	if (ff_event_parse(&event, &arena, (const char *)data, size, &err) == 0) {
		if (ff_event_json(&line, &event) < 0 || line.len == 0)
			abort();
		if (ff_event_parse(&copy, &again, ff_buf_str(&line), line.len - 1, &err) < 0 ||
		    ff_event_json(&second, &copy) < 0)
			abort();
		if (second.len != line.len ||
		    memcmp(ff_buf_data(&second), ff_buf_data(&line), line.len) != 0)
			abort();
	}
	ff_buf_release(&line);
	ff_buf_release(&second);
	ff_arena_release(&arena);
	ff_arena_release(&again);
	return 0;
}

/* Fuzzes the frame parser: a stream of frames is walked, and each is written again as it was. */
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAYLOAD_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ff_buf again = FF_BUF_INIT;
	struct ff_frame frame;
	struct ff_err err;
	size_t used, at = 0;

	while (ff_frame_parse(data + at, size - at, PAYLOAD_MAX, &frame, &used, &err) == 1) {
		if (used > size - at || frame.payload + frame.len != data + at + used)
			abort();
		ff_buf_clear(&again);
		if (ff_frame_put(&again, frame.code, frame.channel, frame.payload, frame.len))
			abort();
		if (again.len != used || memcmp(ff_buf_data(&again), data + at, used) != 0)
			abort();
		at += used;
	}
	ff_buf_release(&again);
	return 0;
}

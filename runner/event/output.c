/* Output kept within a cap. */
#include "event/output.h"

#include <stdint.h>
#include <string.h>

void ff_output_init(struct ff_output *output, size_t cap)
{
	*output = (struct ff_output){.cap = cap > 0 ? cap : SIZE_MAX};
}

void ff_output_release(struct ff_output *output)
{
	ff_buf_release(&output->head);
	ff_buf_release(&output->tail);
}

static void keep(struct ff_output *output, struct ff_buf *buf, const void *bytes, size_t len)
{
	int rc = ff_buf_add(buf, bytes, len);

	if (rc < 0 && output->error == 0)
		output->error = rc;
}

size_t ff_output_add(struct ff_output *output, const void *bytes, size_t len)
{
	const uint8_t *data = bytes;
	size_t room = output->total < output->cap ? output->cap - (size_t)output->total : 0;
	size_t to_head = len < room ? len : room;

	if (output->whole) {
		if (room < len)
			ff_buf_release(&output->head);
		else
			keep(output, &output->head, data, len);
		output->total += len;
		return len;
	}
	output->total += len;
	keep(output, &output->head, data, to_head);
	data += to_head;
	len -= to_head;
	if (len > FF_OUTPUT_TAIL) {
		data += len - FF_OUTPUT_TAIL;
		len = FF_OUTPUT_TAIL;
	}
	/* Moved to the front once per tail's length, not per call. */
	if (output->tail.len + len > 2 * (size_t)FF_OUTPUT_TAIL)
		ff_buf_consume(&output->tail, output->tail.len + len - FF_OUTPUT_TAIL);
	keep(output, &output->tail, data, len);
	return to_head;
}

bool ff_output_cut(const struct ff_output *output)
{
	return output->total > output->cap;
}

static size_t tail_len(const struct ff_output *output)
{
	return output->tail.len < FF_OUTPUT_TAIL ? output->tail.len : FF_OUTPUT_TAIL;
}

bool ff_output_tail(const struct ff_output *output, struct ff_event *event)
{
	size_t len = tail_len(output);

	if (len == 0)
		return false;
	event->u.unit_output.bytes =
		(const char *)ff_buf_data(&output->tail) + (output->tail.len - len);
	event->u.unit_output.len = len;
	event->u.unit_output.tail = true;
	event->u.unit_output.cut = output->total - output->head.len - len;
	return true;
}

int ff_output_text(const struct ff_output *output, struct ff_buf *text)
{
	size_t len = tail_len(output);
	uint64_t cut = output->total - output->head.len - len;
	int rc = ff_buf_add(text, ff_buf_data(&output->head), output->head.len);

	if (rc == 0 && cut > 0)
		rc = ff_output_mark(text, cut, output->head.len, len);
	if (rc == 0 && len > 0)
		rc = ff_buf_add(text, ff_buf_data(&output->tail) + (output->tail.len - len), len);
	return rc < 0 ? rc : output->error;
}

int ff_output_mark(struct ff_buf *text, uint64_t cut, uint64_t head_len, uint64_t len_after)
{
	return ff_buf_addf(
		text, "\n[… %llu bytes were cut here: output_cap is %llu, %llu were written …]\n",
		(unsigned long long)cut, (unsigned long long)head_len,
		(unsigned long long)(head_len + cut + len_after));
}

int ff_output_stream(const char *title)
{
	if (!title)
		return 0;
	return strcmp(title, "stdout") == 0 ? 1 : strcmp(title, "stderr") == 0 ? 2 : 0;
}

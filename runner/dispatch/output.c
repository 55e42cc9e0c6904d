/* Output kept within a cap: its head as it came, and, when there is more, its tail. */
#include "dispatch/private.h"

void output_init(struct run_output *output, size_t cap)
{
	ff_buf_init(&output->head, 0);
	ff_buf_init(&output->tail, 0);
	output->total = 0;
	output->cap = cap;
}

void output_add(struct run_output *output, const void *bytes, size_t len)
{
	const uint8_t *data = bytes;
	size_t room = output->cap > output->head.len ? output->cap - output->head.len : 0;
	size_t to_head = len < room ? len : room;

	output->total += len;
	ff_buf_add(&output->head, data, to_head);
	data += to_head;
	len -= to_head;
	if (len > OUTPUT_TAIL) {
		data += len - OUTPUT_TAIL;
		len = OUTPUT_TAIL;
	}
	if (output->tail.len + len > 2 * (size_t)OUTPUT_TAIL)
		ff_buf_consume(&output->tail, output->tail.len + len - OUTPUT_TAIL);
	ff_buf_add(&output->tail, data, len);
}

size_t output_in_head(const struct run_output *output, size_t len)
{
	uint64_t before = output->total - len;

	if (before >= output->cap)
		return 0;
	return output->cap - before < len ? (size_t)(output->cap - before) : len;
}

bool output_cut(const struct run_output *output)
{
	return output->total > output->cap;
}

void output_text(struct run_output *output, struct ff_buf *text)
{
	size_t tail = output->tail.len < OUTPUT_TAIL ? output->tail.len : OUTPUT_TAIL;
	uint64_t cut = output->total - output->head.len - tail;

	ff_buf_add(text, ff_buf_data(&output->head), output->head.len);
	if (cut > 0)
		ff_buf_addf(
			text,
			"\n[… %llu bytes were cut here: output_cap is %zu, %llu were written …]\n",
			(unsigned long long)cut, output->cap, (unsigned long long)output->total);
	ff_buf_add(text, ff_buf_data(&output->tail) + (output->tail.len - tail), tail);
}

void output_release(struct run_output *output)
{
	ff_buf_release(&output->head);
	ff_buf_release(&output->tail);
}

/* Frames in and out of bytes. Knows nothing of channels or what payloads mean. */
#include "wire/frame.h"

#include <string.h>

const char *ff_frame_name(int code)
{
	switch (code) {
#define X(name, number)                                                                            \
	case number:                                                                               \
		return #name;
		FF_FRAME_MAP(X)
#undef X
	default:
		return "?";
	}
}

static void put_be32(uint8_t *to, uint32_t n)
{
	to[0] = (uint8_t)(n >> 24);
	to[1] = (uint8_t)(n >> 16);
	to[2] = (uint8_t)(n >> 8);
	to[3] = (uint8_t)n;
}

static uint32_t get_be32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

int ff_frame_parse(const uint8_t *data, size_t len, uint32_t max, struct ff_frame *frame,
		   size_t *used, struct ff_err *err)
{
	uint32_t channel, payload_len;
	int code;

	if (len < FF_FRAME_HEADER) {
		*used = FF_FRAME_HEADER;
		return 0;
	}
	code = (int8_t)data[0];
	channel = get_be32(data + 1);
	payload_len = get_be32(data + 5);
	if (channel > INT32_MAX)
		return ff_err_set(err, FF_EPROTO, "frame %s (code %d) with negative channel id %d",
				  ff_frame_name(code), code, (int32_t)channel);
	if (payload_len > INT32_MAX)
		return ff_err_set(err, FF_EPROTO, "frame %s (code %d) with negative length %d",
				  ff_frame_name(code), code, (int32_t)payload_len);
	if (payload_len > max)
		return ff_err_set(err, FF_ETOOBIG, "frame %s (code %d) of %u bytes, limit is %u",
				  ff_frame_name(code), code, payload_len, max);
	*used = FF_FRAME_HEADER + (size_t)payload_len;
	*frame = (struct ff_frame){
		.code = code,
		.channel = channel,
		.len = payload_len,
		.payload = len < *used ? NULL : data + FF_FRAME_HEADER,
	};
	return frame->payload != NULL;
}

int ff_frame_put(struct ff_buf *out, int code, uint32_t channel, const void *payload, size_t len)
{
	size_t mark;
	int rc = ff_frame_begin(out, code, channel, &mark);

	if (rc)
		return rc;
	rc = ff_buf_add(out, payload, len);
	if (!rc)
		rc = ff_frame_end(out, mark);
	if (rc)
		out->len = mark;
	return rc;
}

int ff_frame_begin(struct ff_buf *out, int code, uint32_t channel, size_t *mark)
{
	uint8_t header[FF_FRAME_HEADER] = {(uint8_t)code};
	size_t before = out->len;
	int rc;

	put_be32(header + 1, channel);
	rc = ff_buf_add(out, header, sizeof(header));
	if (!rc)
		*mark = before;
	return rc;
}

int ff_frame_end(struct ff_buf *out, size_t mark)
{
	size_t len = out->len - mark - FF_FRAME_HEADER;

	if (len > INT32_MAX)
		return FF_ETOOBIG;
	put_be32(ff_buf_data(out) + mark + 5, (uint32_t)len);
	return 0;
}

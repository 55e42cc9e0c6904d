/* Frames: int8 code, int32 channel id, int32 payload length, payload (PROTOCOL.md, "Frames"). */
#ifndef FF_WIRE_FRAME_H
#define FF_WIRE_FRAME_H

#include "base/buf.h"
#include "base/err.h"

/* X(name, code): 0 to 7 are execnet's; 64 and up are ours, sent only to a peer that said HELLO. */
#define FF_FRAME_MAP(X)                                                                            \
	X(STATUS, 0)                                                                               \
	X(RECONFIGURE, 1)                                                                          \
	X(GATEWAY_TERMINATE, 2)                                                                    \
	X(CHANNEL_EXEC, 3)                                                                         \
	X(CHANNEL_DATA, 4)                                                                         \
	X(CHANNEL_CLOSE, 5)                                                                        \
	X(CHANNEL_CLOSE_ERROR, 6)                                                                  \
	X(CHANNEL_LAST_MESSAGE, 7)                                                                 \
	X(HELLO, 64)	      /* item: dict of capabilities; channel 0 */                          \
	X(HEARTBEAT, 65)      /* no payload; channel 0 */                                          \
	X(CHANNEL_CREDIT, 66) /* int32: bytes of CHANNEL_DATA payload the sender has consumed */

enum ff_frame_code {
#define X(name, code) FF_FRAME_##name = code,
	FF_FRAME_MAP(X)
#undef X
};

enum {
	FF_FRAME_HEADER = 9,
	FF_FRAME_PAYLOAD_MAX = 1 << 30, /* default limit for a received payload */
};

struct ff_frame {
	int code; /* enum ff_frame_code, or another number */
	uint32_t channel;
	uint32_t len;
	const uint8_t *payload; /* into the parsed bytes */
};

const char *ff_frame_name(int code); /* "CHANNEL_DATA"; "?" for unknown codes */

/* Takes one frame from the front of `data`. 1: *frame is filled and *used says how many bytes it
 * took; 0: more bytes are needed, *used says how many in all (if FF_FRAME_HEADER are there, *frame
 * is filled, without its payload); FF_EPROTO: a negative channel id or length; FF_ETOOBIG: payload
 * over `max`. Unknown codes are the caller's to judge. */
int ff_frame_parse(const uint8_t *data, size_t len, uint32_t max, struct ff_frame *frame,
		   size_t *used, struct ff_err *err);

/* Appends a whole frame: 0, FF_ENOMEM, FF_ETOOBIG. */
int ff_frame_put(struct ff_buf *out, int code, uint32_t channel, const void *payload, size_t len);

/* Appends a frame whose payload is written in place: begin, append to `out`, end. `mark` is
 * out->len before begin; ff_frame_end with a payload over 2^31-1 bytes gives FF_ETOOBIG. The buffer
 * must not be consumed in between; a caller that fails in between sets out->len = mark. */
int ff_frame_begin(struct ff_buf *out, int code, uint32_t channel, size_t *mark);
int ff_frame_end(struct ff_buf *out, size_t mark);

#endif

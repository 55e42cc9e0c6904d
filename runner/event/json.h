/* Writing JSON: straight into a buffer, for the journal's hot path. (Reading is jansson's.) */
#ifndef FF_EVENT_JSON_H
#define FF_EVENT_JSON_H

#include "base/buf.h"

/* Each appends `,"name":` (the comma unless it is the first of an object) and the value. Errors are
 * remembered in w->error (FF_ENOMEM, FF_ETOOBIG). */
struct ff_json {
	struct ff_buf *out;
	int error;
	bool first;
};

void ff_json_begin(struct ff_json *w, struct ff_buf *out); /* { */
void ff_json_end(struct ff_json *w);			   /* } */
void ff_json_open(struct ff_json *w, const char *name,
		  char bracket); /* name may be NULL in arrays */
void ff_json_close(struct ff_json *w, char bracket);
/* NULL is left out. Bytes that are not UTF-8 become U+FFFD. */
void ff_json_str(struct ff_json *w, const char *name, const char *text);
void ff_json_strn(struct ff_json *w, const char *name, const char *text, size_t len);
/* A name that may hold anything; NULL for either leaves both out. */
void ff_json_pair(struct ff_json *w, const char *name, const char *text);
/* Text that needs no escaping. */
void ff_json_plain(struct ff_json *w, const char *name, const char *text, size_t len);
void ff_json_int(struct ff_json *w, const char *name, int64_t number);
/* Over INT64_MAX, which most readers of JSON refuse, it is written as that. */
void ff_json_uint(struct ff_json *w, const char *name, uint64_t number);
void ff_json_bool(struct ff_json *w, const char *name, bool truth);

#endif

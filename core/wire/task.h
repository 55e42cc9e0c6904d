/* What remote_exec asks for: the fields of a CHANNEL_EXEC message. */
#ifndef FF_WIRE_TASK_H
#define FF_WIRE_TASK_H

#include "wire/value.h"

struct ff_task {
	const char *source;	/* program text, or "#!…" script for native workers; NULL: "" */
	const char *file_name;	/* for tracebacks; NULL: None */
	const char *call_name;	/* function of source, or a native worker's built-in; NULL: None */
	struct ff_value kwargs; /* dict; None stands for an empty one */
};

#endif

/* What remote_exec asks for: the fields of a CHANNEL_EXEC message. */
#ifndef FF_WIRE_TASK_H
#define FF_WIRE_TASK_H

#include "wire/value.h"

/* Grows at its end: FF_TASK_INIT, or .size = sizeof(struct ff_task), or 0 for the first version. */
struct ff_task {
	size_t size;		/* of this struct as the caller knows it; 0: it ends with kwargs */
	const char *source;	/* program text, or "#!…" script for native workers; NULL: "" */
	const char *file_name;	/* for tracebacks; NULL: None */
	const char *call_name;	/* function of source, or a native worker's built-in; NULL: None */
	struct ff_value kwargs; /* dict; None stands for an empty one */
};
#ifdef __cplusplus
#define FF_TASK_INIT                                                                               \
	{                                                                                          \
		sizeof(struct ff_task)                                                             \
	}
#else
#define FF_TASK_INIT                                                                               \
	{                                                                                          \
		.size = sizeof(struct ff_task)                                                     \
	}
#endif

#endif

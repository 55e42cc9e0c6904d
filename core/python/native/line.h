/* Gateways and the near ends of their channels, as Python threads see them: what arrives is kept in
 * order until somebody takes it. All functions want the hub's lock, none the interpreter's. */
#ifndef FF_PYTHON_LINE_H
#define FF_PYTHON_LINE_H

#include "gateway/channel.h"
#include "gateway/gateway.h"
#include "gateway/group.h"
#include "python/native/hub.h"
#include "transport/open.h"

enum line_state { LINE_OPENING, LINE_OPEN, LINE_FAILED, LINE_CLOSED };

/* A gateway. It is freed by the last of: its Python object, its ends, its connection. */
struct line {
	unsigned refs;
	struct ff_gateway *gateway; /* NULL: released */
	enum line_state state;
	struct ff_err err; /* why it failed, or ended; code 0: in order */
	struct ff_list waiters;
	struct ff_list arrived; /* what a callback has to be done with before it may be seen */
	bool calling;		/* a callback runs, for what was taken last */
};

/* The near end of a channel. */
struct end {
	unsigned refs;
	struct line *line;
	struct ff_channel *channel; /* NULL: none */
	struct ff_list items, waiters;
	struct ff_list errors; /* the far end's, untaken */
	bool closed, no_more;  /* no more will come */
	bool ended;	       /* the library has said so */
	bool calls;	       /* items go to a Python callback */
};

enum arrival_kind { ARRIVAL_ITEM, ARRIVAL_END };

/* One thing that came in, for one end. */
struct arrival {
	struct ff_list node;
	enum arrival_kind kind;
	struct end *end;   /* with a reference, until it keeps this itself */
	bool closed;	   /* ARRIVAL_END: both ways */
	char *error;	   /* ARRIVAL_END: the far end's, or NULL */
	struct end **ends; /* ARRIVAL_ITEM: of the channels in it, with references */
	size_t end_count;
	struct ff_item item; /* ARRIVAL_ITEM */
};

struct line_field {
	const char *key, *value;
};

struct ff_group *line_group_new(struct ff_err *err);
/* Begins to open what the xspec `text` says; `fields` and `env` are what it can't say, since there
 * is "//" in the value; both end with a NULL key. One reference, the caller's. */
struct line *line_open(struct ff_group *group, const char *text, const struct line_field *fields,
		       const struct line_field *env, struct ff_err *err);
/* One without a connection. */
struct line *line_new(void);
void line_unref(struct line *line);
/* Kills what carries it. */
void line_kill(struct line *line);
/* It is over, and its connection can be forgotten. */
void line_release(struct line *line);

/* A new channel's end, or that of `id`. One reference, the caller's. */
struct end *end_new(struct line *line, struct ff_channel *channel);
/* That which the channel has, one reference more, or else a new one. */
struct end *end_of(struct line *line, struct ff_channel *channel);
void end_unref(struct end *end);
/* Its Python object is gone. */
void end_drop(struct end *end);
/* As if the far end had closed. `error` may be NULL. */
void end_close_here(struct end *end, bool closed, const char *error);

/* The next arrival for a Python callback; those for other ends before it are passed on. NULL: none
 * yet. The last one is then done with. */
struct arrival *line_next(struct line *line);
/* Lets the end see it. */
void line_settle(struct arrival *arrival);
struct arrival *end_take(struct end *end);
void arrival_free(struct arrival *arrival);

#endif

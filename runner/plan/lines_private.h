/* What the files about lines share. */
#ifndef FF_PLAN_LINES_PRIVATE_H
#define FF_PLAN_LINES_PRIVATE_H

#include "plan/lines.h"
#include "plan/shell.h"

/* What one unit's placeholders stand for. */
struct ff_lines_args {
	char **v; /* malloc'd, as each of them */
	size_t len;
};

/* What is made a unit of, from one to the one before another. */
struct ff_lines_range {
	uint32_t from, to, seq;
};

/* The block of the unit `len`, of which there are so many before. */
int ff_lines_add_block(struct ff_lines *lines, uint32_t len, const struct ff_lines_block *block,
		       struct ff_err *err);
struct ff_lines_source *ff_lines_add_source(struct ff_lines *lines, const char *from);
int ff_lines_refuse_nul(const char *from, uint64_t line, uint64_t column, struct ff_err *err);
/* How many items there are, or combinations of them. */
uint32_t ff_lines_records(const struct ff_lines *lines);
/* The items of a unit. */
void ff_lines_range(const struct ff_lines *lines, uint32_t index, struct ff_lines_range *range);
void ff_lines_args(const struct ff_lines *lines, const struct ff_lines_range *range,
		   struct ff_lines_args *args);
/* The columns of one text. */
void ff_lines_columns(const struct ff_lines *lines, const char *text, struct ff_lines_args *args);
void ff_lines_args_release(struct ff_lines_args *args);
void ff_lines_parts_release(struct ff_lines *lines);

struct ff_lines_part;
/* Reads the template's text, which is of these lines. */
void ff_lines_template(const struct ff_lines *lines, struct ff_lines_template *template);

/* --- lines_files.c --- */
char **ff_lines_files(const struct ff_plan_source *base, uint32_t index, uint32_t slot, bool back,
		      struct ff_arena *arena);
void ff_lines_files_release(struct ff_lines *lines);

enum ff_lines_part_kind {
	PART_TEXT,
	PART_VALUE,
	PART_SEQ,  /* {#} */
	PART_SLOT, /* {%} */
};

/* What is left of a value. */
enum {
	CUT_DIR = 1,  /* {/} */
	ONLY_DIR = 2, /* {//} */
	CUT_END = 4,  /* {.} */
};

struct ff_lines_part {
	enum ff_lines_part_kind kind;
	unsigned cut;
	int which;	  /* {2}; negative: from the last; 0: all */
	const char *text; /* of the command */
	size_t len;
	/* Of so many parts, from this one on, there is one for each value; 0: it begins no such
	 * word. */
	size_t word;
};

/* Parts the command's text where its words end, and finds those that are repeated. */
void ff_lines_find_words(struct ff_lines *lines);
/* Whether the text at this place is not looked at: in a comment, behind a backslash. */
bool ff_lines_stays(const struct ff_shell *shell);
/* Appends the command of these items. `lost`, if given: whether a value can't be written where it
 * stands. */
int ff_lines_write(const struct ff_lines *lines, const struct ff_lines_range *range, uint32_t slot,
		   bool *lost, struct ff_buf *out);
/* What `cut` leaves of a value; malloc'd. */
char *ff_lines_cut(const char *value, unsigned cut);
/* Which of `len` values a part with `which` stands for; SIZE_MAX: there is no such one. */
size_t ff_lines_which(const struct ff_lines_part *part, size_t len);

/* --- lines_direct.c --- */
/* Whether a shell would do nothing with the command but to run one program. */
bool ff_lines_is_direct(const struct ff_lines *lines);
/* That program's argv for a unit, in `arena`; NULL: out of memory, or it needs a shell after all.
 */
char **ff_lines_argv(const struct ff_lines *lines, uint32_t index, uint32_t slot,
		     struct ff_arena *arena);

#endif

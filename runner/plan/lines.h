/* Units from lines: what `farflung map` runs. Items come from any number of sources, a unit for
 * each item or, of several sources, for each combination; a command with GNU parallel's
 * placeholders makes shell text of it, values quoted as the shell must read them where they stand.
 * Units are made by number: the text that was read, and where each item begins, are all that is
 * kept. */
#ifndef FF_PLAN_LINES_H
#define FF_PLAN_LINES_H

#include <regex.h>

#include "base/strv.h"
#include "plan/plan.h"

/* Items of one text. */
struct ff_lines_source {
	char *text; /* owned; each item ends with a NUL */
	size_t *starts;
	uint32_t len;
	bool linked; /* its nth item goes with the nth of the source before it */
	bool words;  /* of a command line, not read from anywhere */
	bool headed; /* it began with names, which are at `head` of the text, and are no item */
	size_t head;
	char *from; /* "<stdin>", a file's name: for messages */
};

/* How items are told apart in a text. */
struct ff_lines_end {
	const char *bytes; /* behind each item, but the last may lack it */
	size_t len;
	bool skip_empty; /* those without a character are none */
};

/* What is cut from the ends of a value. */
enum { FF_LINES_TRIM_LEFT = 1, FF_LINES_TRIM_RIGHT = 2 };

/* A block of the standard input, for --pipe. */
struct ff_lines_block {
	uint64_t offset, len;
};

struct ff_lines_part; /* of the command */

/* A path with placeholders, of --transferfile and --return. */
struct ff_lines_template {
	char *text;
	struct ff_lines_part *parts;
	size_t parts_len;
};

struct ff_lines {
	struct ff_plan_source base;
	struct ff_lines_source *sources;
	size_t sources_len;
	char *command; /* NULL: an item is a command itself */
	struct ff_lines_part *parts;
	size_t parts_len;
	/* Set before anything is added. */
	struct ff_lines_how {
		bool bare;	/* a command without {} is as it is */
		uint32_t group; /* items (or combinations of them) that a unit gets; 0: one */
		bool context;	/* of several, the word around a {} is repeated for each */
		bool link;	/* sources go with each other one by one, shorter ones over again */
		unsigned trim;
		const char *replace; /* stands in the place of {}; NULL: {} does. Borrowed */
	} how;
	struct ff_strv names; /* of columns, that placeholders may have; "" for none */
	bool direct;	      /* the command needs no shell */
	bool delicate;	      /* not each value can stand in it: all must be known before */
	const char *name;     /* of its job; borrowed */
	bool has_separator;
	regex_t separator;
	/* Of --pipe: units have these instead of items. */
	struct ff_lines_block *blocks;
	int blocks_fd;			    /* -1: none */
	struct ff_lines_template *files[2]; /* that each unit gets, and that are brought back */
	size_t files_len[2];
	struct ff_lines_template tag; /* of its output; no text: its arguments */
	uint32_t *order;	      /* of the items; NULL: as they came */
	/* Where the items of each unit begin, and the end of the last; NULL: groups alike. */
	uint32_t *packs;
	uint32_t packs_len;
	/* Units that are left, by their sequence numbers; NULL: all, from 1. */
	uint32_t *seqs;
	/* The only source, or the blocks, as long as base.open. */
	struct ff_lines_feed {
		/* Of its text, or of the blocks' file; where what has no end yet begins. */
		uint64_t len, begun;
		size_t cap;
		uint64_t block_size;
		size_t starts_cap, seqs_cap;
		uint64_t number; /* items that came, empty ones included */
		char end;
		bool skip_empty;
		bool *done; /* those that are not to be units, by sequence number; NULL */
		uint32_t done_len;
	} feed;
};

void ff_lines_init(struct ff_lines *lines);
void ff_lines_release(struct ff_lines *lines);

/* Adds the items of `text` (malloc'd, taken over in any case). FF_EINVAL: "FROM:3:17: …" for a NUL
 * within an item; FF_ETOOBIG: too many. */
int ff_lines_add(struct ff_lines *lines, const char *from, char *text, size_t len,
		 const struct ff_lines_end *end, struct ff_err *err);
/* Adds items that are words. */
int ff_lines_add_words(struct ff_lines *lines, char *const *words, size_t len, bool linked,
		       struct ff_err *err);
/* Has a source whose items come by ff_lines_more, while units are made of those that have come. */
void ff_lines_open(struct ff_lines *lines, const char *from, char end, bool skip_empty);
/* The same for blocks, which are kept in `fd`, an empty file, until they are run. */
void ff_lines_open_blocks(struct ff_lines *lines, int fd, uint64_t size, char end);
/* The next bytes of it; `end`: there are no more, it is closed. How many units came of them, or
 * FF_EINVAL, FF_ETOOBIG as above, FF_ESYS: then it is closed, too. */
int64_t ff_lines_more(struct ff_lines *lines, const char *bytes, size_t len, bool end,
		      struct ff_err *err);
/* The items that were added last go with those before them, one by one. */
void ff_lines_link(struct ff_lines *lines);
/* Splits each item into columns, {1} {2} …: an extended regular expression, where \t is a tab.
 * FF_EINVAL: it is none. */
int ff_lines_separate(struct ff_lines *lines, const char *separator, struct ff_err *err);
/* The first item of each source names it, or with a separator its columns. FF_EINVAL: a source has
 * none. */
int ff_lines_header(struct ff_lines *lines, struct ff_err *err);
/* Items in an order that `random` makes, which gives numbers below its argument. */
void ff_lines_shuffle(struct ff_lines *lines, uint32_t (*random)(uint32_t below));
/* Behind the command: makes units of as many items (how.group at most, if that is given) as a
 * command below `max_chars` has room for; what is left for the last is spread over `slots`.
 * FF_EINVAL: an item needs more by itself. */
int ff_lines_pack(struct ff_lines *lines, size_t max_chars, uint32_t slots, struct ff_err *err);
/* The blocks of `fd`, a file from its offset 0 on, that the units get on their stdin; each ends
 * with `end`, and has `size` bytes, or a little more. Takes the fd over. FF_ESYS, FF_ETOOBIG. */
int ff_lines_blocks(struct ff_lines *lines, int fd, uint64_t size, char end, struct ff_err *err);
/* The command, with what was added before. "": each item is one. FF_EINVAL: a value can't be quoted
 * where it stands. */
int ff_lines_command(struct ff_lines *lines, const char *command, struct ff_err *err);

/* Each unit gets this file, or (`back`) it is brought from it. */
void ff_lines_file(struct ff_lines *lines, const char *text, bool back);

/* What ff_lines_tag makes, behind the command and what names columns. FF_EINVAL: it has a {%},
 * which is not known where output is shown. */
int ff_lines_tagged(struct ff_lines *lines, const char *text, struct ff_err *err);
/* Appends it. 0 or FF_ENOMEM. */
int ff_lines_tag(const struct ff_lines *lines, uint32_t index, struct ff_buf *out);

/* Of each source what comes before an item of this text. */
void ff_lines_stop_at(struct ff_lines *lines, const char *text);

/* How many units there are in all; base.len has those that are left. */
uint32_t ff_lines_total(const struct ff_lines *lines);
/* Leaves out the units of these sequence numbers: `done[seq]`, for seq from 1 to `done_len` - 1;
 * also those that are still to come. Takes `done` over, which is malloc'd. */
void ff_lines_skip(struct ff_lines *lines, bool *done, uint32_t done_len);

uint32_t ff_lines_seq(const struct ff_lines *lines, uint32_t index);
/* Appends the unit's command, as the shell is to read it. 0 or FF_ENOMEM. */
int ff_lines_text(const struct ff_lines *lines, uint32_t index, uint32_t slot, struct ff_buf *out);
/* Appends its arguments as they are, with `between` between them. 0 or FF_ENOMEM. */
int ff_lines_arguments(const struct ff_lines *lines, uint32_t index, char between,
		       struct ff_buf *out);
/* The same one by one, from 0, and which of its item's columns it is, from 1; NULL: it has no more.
 * Malloc'd. */
char *ff_lines_argument(const struct ff_lines *lines, uint32_t index, size_t nth, size_t *column);

#endif

/* Where in a shell text a value is to be put, and how it must be written there so that the shell
 * reads it literally. A pushdown automaton over quotes and expansions; it runs nothing. */
#ifndef FF_PLAN_SHELL_H
#define FF_PLAN_SHELL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum ff_shell_place {
	FF_SHELL_PLAIN,
	FF_SHELL_SINGLE,  /* '…' */
	FF_SHELL_DOUBLE,  /* "…" */
	FF_SHELL_HERE,	  /* <<END … END */
	FF_SHELL_LITERAL, /* <<'END' … END */
	FF_SHELL_ESCAPED, /* behind a backslash that makes a brace a brace */
	FF_SHELL_COMMENT,
	FF_SHELL_NOWHERE, /* $((…)), `…`, ${…}, $'…': no quotes hold there */
};

enum { FF_SHELL_DEPTH_MAX = 32, FF_SHELL_HERES_MAX = 4, FF_SHELL_END_MAX = 64 };

struct ff_shell {
	struct ff_shell_frame {
		unsigned char kind;
		unsigned char just_opened; /* nothing stands in it yet */
		int parens;		   /* arithmetic: open ones */
	} frames[FF_SHELL_DEPTH_MAX];
	size_t depth; /* of frames above the command itself */
	bool escaped; /* behind a backslash */
	bool dollar;  /* behind a $ */
	bool inside_word;
	bool lost; /* it can't be told any more what is quoted */
	unsigned less;
	char word[8]; /* the beginning of the current one */
	size_t word_len;
	/* Here documents that were announced, and the one that is being read. */
	struct ff_shell_here {
		char end[FF_SHELL_END_MAX];
		size_t len;
		bool literal, tabs;
	} heres[FF_SHELL_HERES_MAX];
	size_t heres_len;
	enum ff_shell_here_phase { NO_HERE, HERE_WORD_COMES, HERE_WORD } phase;
	char here_quote;
	size_t line_len; /* of the document's current line, as far as it equals the end */
	bool line_differs;
};

/* Starts all zero. Reads on over text that is the shell's. */
void ff_shell_feed(struct ff_shell *shell, const char *text, size_t len);
enum ff_shell_place ff_shell_place(const struct ff_shell *shell);
/* Whether a value can stand at such a place without changing what is around it. */
bool ff_shell_fits(const struct ff_shell *shell, const char *value);
/* Appends the value as it must be written at this place, and reads on over it. `next`: the text's
 * character behind it. */
void ff_shell_put(struct ff_shell *shell, const char *value, char next, struct ff_buf *out);

#endif

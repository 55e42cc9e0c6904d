/* The shell's quoting, followed character by character. What it can't follow (a case in a command
 * substitution, quotes in arithmetic) it knows that it can't: then only values that need no quotes
 * are let through. */
#include "plan/shell.h"

#include <string.h>

enum kind {
	CODE,	      /* the command itself */
	PAREN,	      /* (…) */
	SUBSTITUTION, /* $(…) */
	SINGLE,
	DOUBLE,
	ANSI,	    /* $'…' */
	PARAMETER,  /* ${…} */
	ARITHMETIC, /* $((…)), ((…)) */
	BACKTICK,
	COMMENT,
	HERE,
};

#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+:./-"

static struct ff_shell_frame *top(struct ff_shell *s)
{
	return s->depth ? &s->frames[s->depth - 1] : NULL;
}

static enum kind kind_at(const struct ff_shell *s, size_t depth)
{
	return depth ? s->frames[depth - 1].kind : CODE;
}

static void push(struct ff_shell *s, enum kind kind)
{
	if (s->depth == FF_SHELL_DEPTH_MAX) {
		s->lost = true;
		return;
	}
	s->frames[s->depth++] =
		(struct ff_shell_frame){.kind = (unsigned char)kind, .just_opened = true};
	s->inside_word = false;
	s->word_len = 0;
}

static void pop(struct ff_shell *s)
{
	s->depth--;
	s->inside_word = true;
}

/* Whether the innermost code is that of a $(…). */
static bool in_substitution(const struct ff_shell *s)
{
	for (size_t i = s->depth; i; i--)
		if (kind_at(s, i) == SUBSTITUTION)
			return true;
	return false;
}

/* Whether a ${…} is open, whose quotes differ from shell to shell. */
static bool in_parameter(const struct ff_shell *s)
{
	for (size_t i = s->depth; i && kind_at(s, i) != SUBSTITUTION; i--)
		if (kind_at(s, i) == PARAMETER)
			return true;
	return false;
}

static bool in_double(const struct ff_shell *s)
{
	for (size_t i = s->depth; i && kind_at(s, i) != SUBSTITUTION; i--)
		if (kind_at(s, i) == DOUBLE || kind_at(s, i) == HERE)
			return true;
	return false;
}

/* --- here documents --- */

static void start_line(struct ff_shell *s)
{
	s->line_len = 0;
	s->line_differs = false;
}

static void here_line_char(struct ff_shell *s, char c)
{
	const struct ff_shell_here *here = &s->heres[0];

	if (!s->line_len && !s->line_differs && here->tabs && c == '\t')
		return;
	if (s->line_len < here->len && here->end[s->line_len] == c)
		s->line_len++;
	else
		s->line_differs = true;
}

/* At a newline of the document: it may have been its last line. */
static void here_line_ends(struct ff_shell *s)
{
	bool ends = !s->line_differs && s->line_len == s->heres[0].len;

	start_line(s);
	if (!ends)
		return;
	memmove(&s->heres[0], &s->heres[1], sizeof(s->heres) - sizeof(s->heres[0]));
	if (!--s->heres_len) {
		pop(s);
		s->inside_word = false;
	}
}

/* The word behind "<<", with its quotes. True: `c` belonged to it. */
static bool here_word_char(struct ff_shell *s, char c)
{
	struct ff_shell_here *here = &s->heres[s->heres_len];

	if (s->phase == HERE_WORD_COMES) {
		if (c == '<') { /* "<<<" is none */
			s->phase = NO_HERE;
			return true;
		}
		if (c == '-' && !here->tabs && !s->inside_word) {
			here->tabs = true;
			return true;
		}
		if (c == ' ' || c == '\t') {
			s->inside_word = true; /* a '-' belongs to the word now */
			return true;
		}
		s->phase = HERE_WORD;
	}
	if (s->here_quote ? c == s->here_quote : c == '\'' || c == '"' || c == '\\') {
		if (c != '\\')
			s->here_quote = s->here_quote ? '\0' : c;
		here->literal = true;
		return true;
	}
	if (!s->here_quote && strchr(" \t\n;&|<>()", c)) {
		s->phase = NO_HERE;
		s->heres_len++;
		return false;
	}
	if (here->len < sizeof(here->end))
		here->end[here->len++] = c;
	else
		s->lost = true;
	return true;
}

static void announce_here(struct ff_shell *s)
{
	if (s->heres_len == FF_SHELL_HERES_MAX) {
		s->lost = true;
		return;
	}
	s->heres[s->heres_len] = (struct ff_shell_here){.len = 0};
	s->phase = HERE_WORD_COMES;
	s->here_quote = '\0';
	s->inside_word = false;
}

/* --- characters, by what they stand in --- */

/* `$(`, `${`, `…`: the same in code, double quotes and here documents. True: it was one. */
static bool expansion_char(struct ff_shell *s, char c)
{
	if (c == '`')
		push(s, BACKTICK);
	else if (s->dollar && c == '(')
		push(s, SUBSTITUTION);
	else if (s->dollar && c == '{')
		push(s, PARAMETER);
	else
		return false;
	return true;
}

static void end_word(struct ff_shell *s)
{
	/* The brackets of a case's patterns have no opening ones. */
	if (s->word_len == 4 && !memcmp(s->word, "case", 4) && in_substitution(s))
		s->lost = true;
	s->inside_word = false;
	s->word_len = 0;
}

static void code_newline(struct ff_shell *s)
{
	end_word(s);
	if (s->heres_len) {
		push(s, HERE);
		start_line(s);
	}
}

static void code_word_char(struct ff_shell *s, char c)
{
	if (strchr(" \t;&|<>", c)) {
		end_word(s);
		return;
	}
	if (s->word_len < sizeof(s->word))
		s->word[s->word_len++] = c;
	s->inside_word = true;
}

static void code_char(struct ff_shell *s, char c)
{
	struct ff_shell_frame *frame = top(s);
	bool just_opened = frame && frame->just_opened;

	if (frame)
		frame->just_opened = false;
	if (c == '<' && ++s->less == 2)
		announce_here(s);
	if (c != '<')
		s->less = 0;
	if (just_opened && c == '(') { /* "((" and "$((": arithmetic, or two of them */
		frame->kind = ARITHMETIC;
		frame->parens = 2;
	} else if (expansion_char(s, c)) {
		return;
	} else if (c == '\'') {
		push(s, s->dollar ? ANSI : SINGLE);
	} else if (c == '"') {
		push(s, DOUBLE);
	} else if (c == '#' && !s->inside_word) {
		push(s, COMMENT);
	} else if (c == '(') {
		end_word(s);
		push(s, PAREN);
	} else if (c == ')') {
		end_word(s);
		s->inside_word = frame && frame->kind == SUBSTITUTION;
		s->depth -= frame != NULL;
	} else if (c == '\n') {
		code_newline(s);
	} else {
		code_word_char(s, c);
	}
}

static void arithmetic_char(struct ff_shell *s, char c)
{
	struct ff_shell_frame *frame = top(s);

	if (c == '\'' || c == '"' || c == '`' || c == '\n')
		s->lost = true; /* two brackets after all */
	else if (expansion_char(s, c))
		return;
	else if (c == '(')
		frame->parens++;
	else if (c == ')' && !--frame->parens)
		pop(s);
}

static void parameter_char(struct ff_shell *s, char c)
{
	if (c == '}')
		pop(s);
	else if (expansion_char(s, c))
		return;
	else if (c == '\'' && in_double(s))
		s->lost = true;
	else if (c == '\'')
		push(s, s->dollar ? ANSI : SINGLE);
	else if (c == '"')
		push(s, DOUBLE);
}

static void here_char(struct ff_shell *s, char c)
{
	if (c == '\n')
		here_line_ends(s);
	else
		here_line_char(s, c);
	if (s->heres_len && !s->heres[0].literal && kind_at(s, s->depth) == HERE)
		expansion_char(s, c);
}

static bool takes_backslash(const struct ff_shell *s)
{
	enum kind kind = kind_at(s, s->depth);

	return kind != SINGLE && kind != COMMENT && !(kind == HERE && s->heres[0].literal);
}

static void feed_char(struct ff_shell *s, char c)
{
	enum kind kind = kind_at(s, s->depth);

	if (s->phase != NO_HERE && here_word_char(s, c))
		return;
	if (s->escaped) {
		s->escaped = false;
		if (kind == HERE)
			s->line_differs = true;
		else if (c != '\n')
			s->inside_word = true;
		return;
	}
	if (c == '\\' && takes_backslash(s)) {
		s->escaped = true;
		s->dollar = false;
		s->less = 0;
		if (s->depth)
			top(s)->just_opened = false;
		return;
	}
	switch (kind) {
	case CODE:
	case PAREN:
	case SUBSTITUTION:
		code_char(s, c);
		break;
	case SINGLE:
	case ANSI:
		if (c == '\'')
			pop(s);
		break;
	case DOUBLE:
		if (c == '"')
			pop(s);
		else
			expansion_char(s, c);
		break;
	case PARAMETER:
		parameter_char(s, c);
		break;
	case ARITHMETIC:
		arithmetic_char(s, c);
		break;
	case BACKTICK:
		if (c == '`')
			pop(s);
		break;
	case COMMENT:
		if (c == '\n') {
			pop(s);
			code_newline(s);
		}
		break;
	case HERE:
		here_char(s, c);
		break;
	}
	s->dollar = c == '$' && !s->dollar; /* "$$" is one of its own */
}

void ff_shell_feed(struct ff_shell *shell, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		feed_char(shell, text[i]);
}

enum ff_shell_place ff_shell_place(const struct ff_shell *shell)
{
	enum kind kind = kind_at(shell, shell->depth);

	if (kind == COMMENT)
		return FF_SHELL_COMMENT;
	if (shell->lost || shell->phase != NO_HERE || in_parameter(shell))
		return FF_SHELL_NOWHERE;
	switch (kind) {
	case CODE:
	case PAREN:
	case SUBSTITUTION:
		return shell->escaped ? FF_SHELL_ESCAPED : FF_SHELL_PLAIN;
	case SINGLE:
		return FF_SHELL_SINGLE;
	case DOUBLE:
		return FF_SHELL_DOUBLE;
	case HERE:
		return shell->heres[0].literal ? FF_SHELL_LITERAL : FF_SHELL_HERE;
	default:
		return FF_SHELL_NOWHERE;
	}
}

/* Whether a line of the value would end the here document. */
static bool has_end(const struct ff_shell_here *here, const char *value)
{
	for (const char *line = value; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		line += here->tabs ? strspn(line, "\t") : 0;
		if (strcspn(line, "\n") == here->len && !memcmp(line, here->end, here->len))
			return true;
	}
	return false;
}

bool ff_shell_fits(const struct ff_shell *shell, const char *value)
{
	switch (ff_shell_place(shell)) {
	case FF_SHELL_NOWHERE:
		return !value[strspn(value, SAFE)];
	case FF_SHELL_HERE:
	case FF_SHELL_LITERAL:
		return !has_end(&shell->heres[0], value);
	default:
		return true;
	}
}

/* A word that needs no quotes: it means nothing to the shell, wherever it stands. */
static bool is_plain(const char *value, char next)
{
	static const char *const reserved[] = {
		"if",	 "then",  "else", "elif", "fi",	    "do",	"done", "case",	 "esac",
		"while", "until", "for",  "in",	  "select", "function", "time", "coproc"};

	if (!*value || value[strspn(value, SAFE)])
		return false;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (!strcmp(value, reserved[i]))
			return false;
	/* "2>file" is no word but a descriptor. */
	return (next != '<' && next != '>') || value[strspn(value, "0123456789")];
}

static void add_single(struct ff_buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\'')
			ff_buf_addstr(out, "'\\''");
		else
			ff_buf_addch(out, *value);
	}
}

static void add_escaped(struct ff_buf *out, const char *value, const char *special)
{
	for (; *value; value++) {
		if (strchr(special, *value))
			ff_buf_addch(out, '\\');
		ff_buf_addch(out, *value);
	}
}

void ff_shell_put(struct ff_shell *shell, const char *value, char next, struct ff_buf *out)
{
	enum ff_shell_place place = ff_shell_place(shell);
	size_t before = out->len;
	bool bare = place == FF_SHELL_NOWHERE
			    ? ff_shell_fits(shell, value)
			    : place == FF_SHELL_LITERAL ||
				      (place == FF_SHELL_PLAIN && is_plain(value, next));

	/* A backslash of the text's before it is a backslash, and must not quote what comes. */
	if (shell->escaped && (place == FF_SHELL_DOUBLE || place == FF_SHELL_HERE))
		ff_buf_addch(out, '\\');
	if (bare) {
		ff_buf_addstr(out, value);
	} else if (place == FF_SHELL_SINGLE) {
		add_single(out, value);
	} else if (place == FF_SHELL_DOUBLE) {
		add_escaped(out, value, "$`\"\\");
	} else if (place == FF_SHELL_HERE) {
		add_escaped(out, value, "$`\\");
	} else {
		ff_buf_addch(out, '\'');
		add_single(out, value);
		ff_buf_addch(out, '\'');
	}
	if (ff_buf_data(out))
		ff_shell_feed(shell, (const char *)ff_buf_data(out) + before, out->len - before);
}

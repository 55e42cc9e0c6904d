/* Recursive descent to a tree, and its value. */
#include "plan/when.h"

#include <stdint.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

enum kind { OR, AND, NOT, EQUAL, TEXT, AXIS, ALWAYS, PASSED, FAILED, CANCELLED, SKIPPED };

struct ff_when {
	enum kind kind;
	const struct ff_when *left, *right;
	const char *text; /* TEXT: the value */
	size_t need;	  /* of outcomes: SIZE_MAX: of all */
	unsigned axis;
};

struct parser {
	const char *at, *word; /* what comes next; the token's start */
	size_t word_len;
	enum token { END, WORD, QUOTED, SIGN, WRONG } token;
	const struct ff_when_names *names;
	struct ff_arena *arena;
	struct ff_err *err;
	int depth;
};

/* Job names have these, too; and what is not ASCII. */
static size_t word_len(const char *text)
{
	size_t len = 0;

	for (; (unsigned char)text[len] >= 0x80 ||
	       (text[len] && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_.-",
				    text[len]));
	     len++)
		;
	return len;
}

static void next(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
	p->word = p->at;
	p->word_len = word_len(p->at);
	if (p->word_len) {
		p->token = WORD;
	} else if (*p->at == '"' || *p->at == '\'') {
		const char *close = strchr(p->at + 1, *p->at);

		p->token = close ? QUOTED : WRONG;
		p->word_len = close ? (size_t)(close - p->at) + 1 : strlen(p->at);
	} else if (*p->at) {
		p->token = SIGN;
		p->word_len = !strncmp(p->at, "==", 2) || !strncmp(p->at, "!=", 2) ||
					      !strncmp(p->at, "&&", 2) || !strncmp(p->at, "||", 2)
				      ? 2
				      : 1;
	} else {
		p->token = END;
	}
	p->at += p->word_len;
}

static bool is(const struct parser *p, const char *word)
{
	return (p->token == WORD || p->token == SIGN) && strlen(word) == p->word_len &&
	       !memcmp(word, p->word, p->word_len);
}

static bool take(struct parser *p, const char *word)
{
	if (!is(p, word))
		return false;
	next(p);
	return true;
}

static const struct ff_when *complain(struct parser *p, const char *expected)
{
	if (p->token == WRONG)
		ff_err_set(p->err, FF_ECONFIG, "a quote that is never closed: %s", p->word);
	else if (p->token == END)
		ff_err_set(p->err, FF_ECONFIG, "expected %s at its end", expected);
	else
		ff_err_set(p->err, FF_ECONFIG, "expected %s at '%s'", expected, p->word);
	return NULL;
}

static const struct ff_when *node(struct parser *p, enum kind kind, const struct ff_when *left,
				  const struct ff_when *right)
{
	struct ff_when *made = ff_arena_alloc(p->arena, sizeof(*made));

	if (!made) {
		ff_err_set(p->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		return NULL;
	}
	*made = (struct ff_when){.kind = kind, .left = left, .right = right, .need = SIZE_MAX};
	return made;
}

static const struct ff_when *text_node(struct parser *p, const char *text, size_t len)
{
	struct ff_when *made = (struct ff_when *)(uintptr_t)node(p, TEXT, NULL, NULL);

	if (made && !(made->text = ff_arena_copy(p->arena, text, len)))
		ff_err_set(p->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	return made && made->text ? made : NULL;
}

/* --- outcomes --- */

/* A kind, or -1. */
static int outcome_word(const struct parser *p)
{
	static const struct {
		const char *word;
		enum kind kind;
	} words[] = {{"always", ALWAYS},     {"passed", PASSED},       {"success", PASSED},
		     {"on_success", PASSED}, {"failed", FAILED},       {"failure", FAILED},
		     {"on_failure", FAILED}, {"cancelled", CANCELLED}, {"skipped", SKIPPED}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (p->token == WORD && is(p, words[i].word))
			return (int)words[i].kind;
	return -1;
}

static const struct ff_when *complain_need(struct parser *p, const char *name, size_t len)
{
	ff_err_set(p->err, FF_ECONFIG, "'%.*s' is not in its 'needs'", (int)len, name);
	return NULL;
}

/* Behind the word: "(JOB)", "()" or, if nothing comes in brackets, nothing. */
static const struct ff_when *outcome(struct parser *p, enum kind kind)
{
	struct ff_when *made = (struct ff_when *)(uintptr_t)node(p, kind, NULL, NULL);
	const char *name;
	size_t len;

	if (!made)
		return NULL;
	if (!take(p, "(") || take(p, ")")) {
		if (kind != SKIPPED)
			return made;
		ff_err_set(p->err, FF_ECONFIG, "'skipped' wants a job: skipped(NAME)");
		return NULL;
	}
	if ((p->token != WORD && p->token != QUOTED) || kind == ALWAYS)
		return complain(p, kind == ALWAYS ? "')'" : "a job's name");
	name = p->word + (p->token == QUOTED);
	len = p->word_len - (p->token == QUOTED ? 2 : 0);
	for (size_t i = 0; i < p->names->needs->len && made->need == SIZE_MAX; i++)
		if (strlen(p->names->needs->v[i]) == len &&
		    !memcmp(p->names->needs->v[i], name, len))
			made->need = i;
	if (made->need == SIZE_MAX)
		return complain_need(p, name, len);
	next(p);
	return take(p, ")") ? made : complain(p, "')'");
}

/* --- values --- */

static const char *const spaces[] = {"env.", "vars.", "matrix."};

/* Which of these the word begins with; negative: none. */
static int space_of(const struct parser *p)
{
	for (int i = 0; p->token == WORD && i < 3; i++)
		if (!strncmp(p->word, spaces[i], strlen(spaces[i])))
			return i;
	return -1;
}

static const char *in_environment(char *const *env, const char *name)
{
	size_t len = strlen(name);
	const char *value = "";

	for (; env && *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			value = *env + len + 1;
	return value;
}

static const struct ff_when *axis_node(struct parser *p, const char *name)
{
	int axis = p->names->axis(p->names->ctx, name, p->err);
	struct ff_when *made;

	if (axis < 0)
		return NULL;
	made = (struct ff_when *)(uintptr_t)node(p, AXIS, NULL, NULL);
	if (made)
		made->axis = (unsigned)axis;
	return made;
}

/* What it stands for, if that is known by now. */
static const struct ff_when *variable(struct parser *p, int space)
{
	size_t prefix = strlen(spaces[space]);
	const char *name = ff_arena_copy(p->arena, p->word + prefix, p->word_len - prefix);
	const char *value;

	if (!name) {
		ff_err_set(p->err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		return NULL;
	}
	if (!*name) {
		ff_err_set(p->err, FF_ECONFIG, "expected a name behind '%s' at '%s'", spaces[space],
			   p->word);
		return NULL;
	}
	next(p);
	if (space == 2)
		return axis_node(p, name);
	value = space == 0 ? in_environment(p->names->env, name)
			   : p->names->variable(p->names->ctx, name, p->err);
	return value ? text_node(p, value, strlen(value)) : NULL;
}

static const struct ff_when *value(struct parser *p)
{
	const struct ff_when *made;

	if (p->token != WORD && p->token != QUOTED)
		return complain(p, "a value");
	if (space_of(p) >= 0)
		return variable(p, space_of(p));
	if (p->token == QUOTED)
		made = text_node(p, p->word + 1, p->word_len - 2);
	else
		made = text_node(p, p->word, p->word_len);
	next(p);
	return made;
}

static const struct ff_when *comparison(struct parser *p)
{
	bool bare = p->token == WORD && !is(p, "true") && !is(p, "false") && space_of(p) < 0;
	const char *word = p->word;
	size_t len = p->word_len;
	const struct ff_when *left = value(p), *right;
	bool differs;

	if (!left)
		return NULL;
	differs = is(p, "!=");
	if (bare) {
		ff_err_set(p->err, FF_ECONFIG,
			   "'%.*s' is nothing: there is always, passed, failed, cancelled, "
			   "skipped(NAME), env.NAME, vars.NAME and matrix.NAME; a text wants "
			   "quotes",
			   (int)len, word);
		return NULL;
	}
	if (!take(p, "==") && !take(p, "!="))
		return left;
	right = value(p);
	if (right)
		left = node(p, EQUAL, left, right);
	return right && left && differs ? node(p, NOT, left, NULL) : right ? left : NULL;
}

static const struct ff_when *either(struct parser *p);

static const struct ff_when *primary(struct parser *p)
{
	const struct ff_when *inner;
	int kind = outcome_word(p);

	if (p->depth >= DEPTH_MAX)
		return complain(p, "fewer brackets");
	if (take(p, "not") || take(p, "!")) {
		p->depth++;
		inner = primary(p);
		p->depth--;
		return inner ? node(p, NOT, inner, NULL) : NULL;
	}
	if (take(p, "(")) {
		p->depth++;
		inner = either(p);
		p->depth--;
		if (inner && !take(p, ")"))
			return complain(p, "')'");
		return inner;
	}
	if (kind < 0)
		return comparison(p);
	next(p);
	return outcome(p, (enum kind)kind);
}

static const struct ff_when *both(struct parser *p)
{
	const struct ff_when *left = primary(p), *right;

	while (left && (take(p, "and") || take(p, "&&"))) {
		right = primary(p);
		left = right ? node(p, AND, left, right) : NULL;
	}
	return left;
}

static const struct ff_when *either(struct parser *p)
{
	const struct ff_when *left = both(p), *right;

	while (left && (take(p, "or") || take(p, "||"))) {
		right = both(p);
		left = right ? node(p, OR, left, right) : NULL;
	}
	return left;
}

const struct ff_when *ff_when_parse(const char *text, const struct ff_when_names *names,
				    struct ff_arena *arena, struct ff_err *err)
{
	struct parser p = {.at = text, .names = names, .arena = arena, .err = err};
	const struct ff_when *when;

	next(&p);
	when = either(&p);
	if (when && p.token != END)
		return complain(&p, "'and', 'or' or nothing");
	return when;
}

/* --- what it comes to --- */

static bool has(const struct ff_when *when, const struct ff_when_facts *facts,
		enum ff_when_outcome outcome)
{
	return facts->outcome(facts->ctx, when->need) == outcome;
}

static const char *text_of(const struct ff_when *when, const struct ff_when_facts *facts)
{
	return when->kind == AXIS ? facts->value(facts->unit, when->axis) : when->text;
}

static bool is_so(const char *text)
{
	return *text && strcmp(text, "false") && strcmp(text, "0");
}

bool ff_when_is_true(const struct ff_when *when, const struct ff_when_facts *facts)
{
	bool all = when->need == SIZE_MAX;

	switch (when->kind) {
	case OR:
		return ff_when_is_true(when->left, facts) || ff_when_is_true(when->right, facts);
	case AND:
		return ff_when_is_true(when->left, facts) && ff_when_is_true(when->right, facts);
	case NOT:
		return !ff_when_is_true(when->left, facts);
	case EQUAL:
		return !strcmp(text_of(when->left, facts), text_of(when->right, facts));
	case TEXT:
	case AXIS:
		return is_so(text_of(when, facts));
	case ALWAYS:
		return true;
	case PASSED:
		return all ? facts->passed && !facts->failed && !facts->cancelled
			   : has(when, facts, FF_WHEN_PASSED);
	case FAILED:
		return all ? facts->failed : has(when, facts, FF_WHEN_FAILED);
	case CANCELLED:
		return all ? facts->cancelled : has(when, facts, FF_WHEN_CANCELLED);
	case SKIPPED:
		return has(when, facts, FF_WHEN_SKIPPED);
	}
	return false;
}

bool ff_when_asks_outcomes(const struct ff_when *when)
{
	if (when->kind == TEXT || when->kind == AXIS || when->kind == EQUAL)
		return false;
	if (when->kind == NOT)
		return ff_when_asks_outcomes(when->left);
	if (when->kind == OR || when->kind == AND)
		return ff_when_asks_outcomes(when->left) || ff_when_asks_outcomes(when->right);
	return true;
}

bool ff_when_asks_units(const struct ff_when *when)
{
	if (when->kind == AXIS)
		return true;
	return (when->left && ff_when_asks_units(when->left)) ||
	       (when->right && ff_when_asks_units(when->right));
}

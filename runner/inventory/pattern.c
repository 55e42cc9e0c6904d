/* Choosing hosts by pattern. '*' and '?' are the shell's; brackets are the ranges that they are
 * where hosts are listed, so that the same text means the same hosts. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "inventory/private.h"

#define SEPARATORS ", \t\r\n"
#define SPECIAL	   "*?[\\"

enum { NAME_MAX_HERE = 255 }; /* longer names take memory to match */

/* Separators in brackets belong to a range; a sign ends the term before it: "a[1-3]!a2&big". */
bool ff_term_next(const char **pattern, struct ff_term *term)
{
	const char *at = *pattern + strspn(*pattern, SEPARATORS), *start = at;
	bool inside = false;

	*term = (struct ff_term){.text = at};
	if (*at == '!' || *at == '&')
		term->sign = *at++;
	term->group = *at == '@';
	if (term->group)
		at++;
	term->text = at;
	for (; *at && (inside || !strchr(SEPARATORS "!&", *at)); at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '[' || *at == ']')
			inside = *at == '[';
	}
	*pattern = at;
	term->len = (size_t)(at - term->text);
	return at > start;
}

bool ff_term_is_literal(const struct ff_term *term)
{
	return strcspn(term->text, SPECIAL) >= term->len;
}

static bool equals(const struct ff_term *term, const char *name)
{
	return !strncmp(term->text, name, term->len) && !name[term->len];
}

/* --- matching: the set of places in the name that the pattern up to here can lead to --- */

struct places {
	const char *name;
	size_t len;
	unsigned char *now, *next; /* len + 1 each */
};

static void step(struct places *p)
{
	unsigned char *old = p->now;

	p->now = p->next;
	p->next = old;
	memset(p->next, 0, p->len + 1);
}

/* From each place on over `len` bytes, where they are these. */
static void take_bytes(struct places *p, const char *bytes, size_t len)
{
	for (size_t i = 0; i + len <= p->len; i++)
		if (p->now[i] && !memcmp(p->name + i, bytes, len))
			p->next[i + len] = 1;
}

static void take_numbers(struct places *p, const struct ff_range *range)
{
	for (size_t i = 0; i < p->len; i++) {
		long number = 0;

		for (size_t j = i; p->now[i] && j < p->len && j < i + 10; j++) {
			char written[16];

			if (p->name[j] < '0' || p->name[j] > '9')
				break;
			number = number * 10 + (p->name[j] - '0');
			if (number < range->from || number > range->to)
				continue;
			/* "01" is no number of [1-3], nor "1" one of [01-03]. */
			ff_range_number(written, sizeof(written), range, number);
			if (strlen(written) == j + 1 - i)
				p->next[j + 1] = 1;
		}
	}
}

static void take_any(struct places *p, bool many)
{
	for (size_t i = 0; i <= p->len; i++) {
		size_t end = i + 1;

		if (!p->now[i])
			continue;
		while (end < p->len && ((unsigned char)p->name[end] & 0xc0) == 0x80)
			end++;
		if (many)
			memset(p->next + i, 1, p->len + 1 - i);
		else if (i < p->len)
			p->next[end] = 1;
	}
}

static bool take_all(struct places *p, const struct ff_term *term)
{
	const char *end = term->text + term->len;

	p->now[0] = 1;
	for (const char *at = term->text; at < end; at++) {
		const char *close, *open = *at == '[' ? ff_range_find(at, end, &close) : NULL;

		if (open == at) {
			struct ff_range range;

			/* Patterns are checked before. */
			for (at++; at && !ff_range_next(&at, close, &range, "", 0, NULL);)
				if (range.word)
					take_bytes(p, range.word, range.len);
				else
					take_numbers(p, &range);
			at = close;
		} else if (*at == '*' || *at == '?') {
			take_any(p, *at == '*');
		} else {
			at += *at == '\\' && at + 1 < end;
			take_bytes(p, at, 1);
		}
		step(p);
	}
	return p->now[p->len];
}

bool ff_term_names(const struct ff_term *term, const char *name)
{
	unsigned char here[2 * (NAME_MAX_HERE + 1)] = {0}, *memory = here;
	struct places p = {.name = name, .len = strlen(name)};
	bool matches;

	if (ff_term_is_literal(term))
		return equals(term, name);
	if (p.len > NAME_MAX_HERE)
		memory = ff_xcalloc(2, p.len + 1);
	p.now = memory;
	p.next = memory + p.len + 1;
	matches = take_all(&p, term);
	if (memory != here)
		ff_free(memory);
	return matches;
}

static bool term_matches(const struct ff_host *host, const struct ff_term *term)
{
	if (!term->group && (equals(term, "all") || ff_term_names(term, host->name)))
		return true;
	for (size_t i = 0; i < host->tags.len; i++)
		if (ff_term_names(term, host->tags.v[i]))
			return true;
	return false;
}

bool ff_host_matches(const struct ff_host *host, const char *pattern)
{
	bool any_plain = false, chosen = false;
	struct ff_term term;

	if (!pattern)
		return true;
	while (ff_term_next(&pattern, &term)) {
		any_plain = any_plain || !term.sign;
		if (term.sign && term_matches(host, &term) == (term.sign == '!'))
			return false;
		chosen = chosen || (!term.sign && term_matches(host, &term));
	}
	/* Without a plain term, all hosts are what the others choose from. */
	return chosen || !any_plain;
}

/* --- checking --- */

static int check_term(const struct ff_term *term, struct ff_err *err)
{
	const char *end = term->text + term->len, *at = term->text, *close, *open;
	int rc = 0;

	while (!rc && (open = ff_range_find(at, end, &close))) {
		struct ff_range range;

		for (at = open + 1; at && !rc;)
			rc = ff_range_next(&at, close, &range, term->text, term->len, err);
		at = close;
	}
	if (!rc && close)
		rc = ff_err_set(err, FF_EINVAL, "'[' without ']' in '%.*s'", (int)term->len,
				term->text);
	if (rc)
		return ff_err_set(err, FF_ECONFIG,
				  "%s; brackets are ranges as in 'hosts': n[1-12], n[a,b]",
				  err->text);
	return 0;
}

int ff_pattern_check(const char *pattern, struct ff_err *err)
{
	const char *at = pattern;
	struct ff_term term;
	size_t terms = 0;

	for (; ff_term_next(&at, &term); terms++) {
		struct ff_err own;

		if (!term.len)
			return ff_err_set(err, FF_ECONFIG, "bad host pattern '%s'", pattern);
		if (check_term(&term, &own))
			return ff_err_set(err, FF_ECONFIG, "%s", own.text);
	}
	return terms ? 0 : ff_err_set(err, FF_ECONFIG, "bad host pattern '%s'", pattern);
}

/* A host that a plain term names, by itself or by a tag; NULL: it takes more to find out. */
static const struct ff_host *find_named(const struct ff_inventory *inventory,
					const struct ff_term *term)
{
	uintptr_t number;
	char *word;

	if (term->sign || !ff_term_is_literal(term))
		return NULL;
	word = ff_xstrndup(term->text, term->len);
	number = term->group ? 0 : (uintptr_t)ff_map_get(&inventory->names, word);
	if (!number)
		number = (uintptr_t)ff_map_get(&inventory->tags, word);
	ff_free(word);
	return number ? &inventory->hosts[number - 1] : NULL;
}

int ff_inventory_check(const struct ff_inventory *inventory, const char *pattern,
		       struct ff_err *err)
{
	bool simple = true; /* names and tags, all of them unknown */
	bool signs = pattern && strpbrk(pattern, "!&");
	const char *at = pattern;
	struct ff_term term;
	int rc = pattern ? ff_pattern_check(pattern, err) : 0;

	if (!pattern || rc)
		return rc;
	while (ff_term_next(&at, &term)) {
		const struct ff_host *host = find_named(inventory, &term);

		if (host && (!signs || ff_host_matches(host, pattern)))
			return 0;
		simple = simple && !host && !term.sign && ff_term_is_literal(&term) &&
			 !equals(&term, "all");
	}
	for (size_t i = 0; i < inventory->len && !simple; i++)
		if (ff_host_matches(&inventory->hosts[i], pattern))
			return 0;
	return ff_err_set(err, FF_ECONFIG, "no host matches '%s'", pattern);
}

const char *ff_inventory_suggest(const struct ff_inventory *inventory, const char *pattern,
				 char text[FF_SUGGEST_TEXT_MAX])
{
	const char *at = pattern;
	struct ff_suggest suggest;
	struct ff_term term;

	*text = '\0';
	if (!ff_term_next(&at, &term) || !ff_term_is_literal(&term) || term.sign || *at)
		return text;
	ff_suggest_init(&suggest, term.text);
	for (size_t i = 0; i < inventory->len; i++) {
		const struct ff_host *host = &inventory->hosts[i];

		if (!term.group)
			ff_suggest_offer(&suggest, host->name);
		for (size_t j = 0; j < host->tags.len; j++)
			ff_suggest_offer(&suggest, host->tags.v[j]);
	}
	return ff_suggest_text(&suggest, text);
}

/* Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): the greedy one, forward. */
#include "cli/udiff.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum {
	EDITS_MAX = 1000, /* its memory grows with the square */
	CONTEXT = 3,
};

struct line {
	const char *at;
	size_t len; /* with its newline, if it has one */
};

struct text {
	struct line *lines;
	long len;
	bool *same; /* of each: the other text has it, too */
};

static void split(struct text *text, const char *at, size_t len)
{
	const char *end = at + len;
	long lines = 0;

	for (const char *p = at; p < end; lines++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		p = newline ? newline + 1 : end;
	}
	text->lines = ff_xcalloc((size_t)lines + 1, sizeof(*text->lines));
	text->same = ff_xcalloc((size_t)lines + 1, sizeof(*text->same));
	for (; text->len < lines; text->len++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *next = newline ? newline + 1 : end;

		text->lines[text->len] = (struct line){at, (size_t)(next - at)};
		at = next;
	}
}

static void text_release(struct text *text)
{
	ff_free(text->lines);
	ff_free(text->same);
}

static bool equal(const struct text *a, long i, const struct text *b, long j)
{
	return a->lines[i].len == b->lines[j].len &&
	       !memcmp(a->lines[i].at, b->lines[j].at, a->lines[i].len);
}

/* --- which lines stay --- */

struct differ {
	struct text a, b;
	long from, a_to, b_to;	     /* what lies between the first and the last difference */
	long *rounds[EDITS_MAX + 1]; /* of each diagonal from -d to d: how far along `a` it goes */
};

/* After d edits on diagonal k, from what was reached after d - 1. */
static long begin(const long *before, long d, long k, long *from)
{
	long down, right;

	if (!d)
		return *from = 0;
	/* before[] is of the diagonals -(d - 1) to d - 1. */
	down = k < d ? before[k + 1 + d - 1] : -1;
	right = k > -d ? before[k - 1 + d - 1] : -1;
	if (k == -d || (k != d && right < down)) {
		*from = k + 1;
		return down;
	}
	*from = k - 1;
	return right + 1;
}

/* The number of edits; -1: too many. */
static long search(struct differ *differ)
{
	long n = differ->a_to - differ->from, m = differ->b_to - differ->from, ignored;

	for (long d = 0; d <= EDITS_MAX && d <= n + m; d++) {
		long *reached = ff_xcalloc((size_t)(2 * d + 1), sizeof(*reached));

		differ->rounds[d] = reached;
		for (long k = -d; k <= d; k += 2) {
			long x = begin(d ? differ->rounds[d - 1] : NULL, d, k, &ignored), y = x - k;

			while (x < n && y >= 0 && y < m &&
			       equal(&differ->a, differ->from + x, &differ->b, differ->from + y)) {
				x++;
				y++;
			}
			reached[k + d] = x;
			if (x == n && y == m)
				return d;
		}
	}
	return -1;
}

static void mark(struct differ *differ, long x, long y)
{
	differ->a.same[differ->from + x] = true;
	differ->b.same[differ->from + y] = true;
}

/* Back along the way that was found. */
static void trace(struct differ *differ, long d)
{
	long x = differ->a_to - differ->from, y = differ->b_to - differ->from;

	for (; d >= 0; d--) {
		long from, start, k = x - y;

		start = begin(d ? differ->rounds[d - 1] : NULL, d, k, &from);
		while (x > start) {
			x--;
			y--;
			mark(differ, x, y);
		}
		if (d) {
			x = differ->rounds[d - 1][from + d - 1];
			y = x - from;
		}
	}
}

static void compare(struct differ *differ)
{
	struct text *a = &differ->a, *b = &differ->b;
	long edits;

	differ->a_to = a->len;
	differ->b_to = b->len;
	while (differ->from < a->len && differ->from < b->len &&
	       equal(a, differ->from, b, differ->from)) {
		a->same[differ->from] = b->same[differ->from] = true;
		differ->from++;
	}
	while (differ->a_to > differ->from && differ->b_to > differ->from &&
	       equal(a, differ->a_to - 1, b, differ->b_to - 1))
		a->same[--differ->a_to] = b->same[--differ->b_to] = true;
	edits = search(differ);
	if (edits >= 0)
		trace(differ, edits);
	for (size_t i = 0; i <= EDITS_MAX; i++)
		ff_free(differ->rounds[i]);
}

/* --- hunks --- */

static void add_line(struct ff_buf *out, char sign, const struct line *line)
{
	ff_buf_addch(out, sign);
	ff_buf_add(out, line->at, line->len);
	if (line->at[line->len - 1] != '\n')
		ff_buf_addstr(out, "\n\\ No newline at end of file\n");
}

/* "12,3", "12", and the line before where there is none: "11,0". */
static void add_place(struct ff_buf *out, char sign, long from, long to)
{
	ff_buf_addf(out, "%c%ld", sign, to > from ? from + 1 : from);
	if (to - from != 1)
		ff_buf_addf(out, ",%ld", to - from);
}

static void add_hunk(struct ff_buf *out, const struct differ *differ, long i, long i_to, long j,
		     long j_to)
{
	ff_buf_addstr(out, "@@ ");
	add_place(out, '-', i, i_to);
	ff_buf_addch(out, ' ');
	add_place(out, '+', j, j_to);
	ff_buf_addstr(out, " @@\n");
	while (i < i_to || j < j_to) {
		if (i < i_to && !differ->a.same[i])
			add_line(out, '-', &differ->a.lines[i++]);
		else if (j < j_to && !differ->b.same[j])
			add_line(out, '+', &differ->b.lines[j++]);
		else {
			add_line(out, ' ', &differ->a.lines[i++]);
			j++;
		}
	}
}

static void add_hunks(struct ff_buf *out, const struct differ *differ)
{
	const struct text *a = &differ->a, *b = &differ->b;
	long i = 0, j = 0;

	while (i < a->len || j < b->len) {
		long quiet = 0, i_from, j_from, i_end, j_end;

		if (i < a->len && a->same[i] && j < b->len && b->same[j]) {
			i++;
			j++;
			continue;
		}
		i_from = i < CONTEXT ? 0 : i - CONTEXT;
		j_from = j - (i - i_from);
		/* On until there is nothing new for twice the context. */
		for (i_end = i, j_end = j; (i < a->len || j < b->len) && quiet <= 2 * CONTEXT;) {
			bool a_new = i < a->len && !a->same[i], b_new = j < b->len && !b->same[j];

			i += a_new || !b_new;
			j += !a_new;
			quiet = a_new || b_new ? 0 : quiet + 1;
			if (!quiet) {
				i_end = i;
				j_end = j;
			}
		}
		i = i_end;
		j = j_end;
		for (quiet = 0; quiet < CONTEXT && i < a->len; quiet++) {
			i++;
			j++;
		}
		add_hunk(out, differ, i_from, i, j_from, j);
	}
}

void ff_udiff(struct ff_buf *out, const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct differ *differ = ff_xcalloc(1, sizeof(*differ));

	split(&differ->a, a, a_len);
	split(&differ->b, b, b_len);
	compare(differ);
	add_hunks(out, differ);
	text_release(&differ->a);
	text_release(&differ->b);
	ff_free(differ);
}

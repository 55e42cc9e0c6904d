/* Gathering what hosts said, and showing it. */
#include "cli/said.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/udiff.h"
#include "report/text.h"

struct ff_said_group {
	enum ff_exec_end end;
	char *message; /* NULL: it passed */
	char *output;
	size_t output_len;
	const char **names; /* of hosts, borrowed */
	size_t len, cap;
	uint32_t first; /* number of the first host */
};

static struct ff_said_group *group_of(struct ff_said *said, const struct ff_exec_result *result)
{
	struct ff_buf key = FF_BUF_INIT;
	struct ff_said_group *group;
	uintptr_t number;

	/* Bytes may be NUL: the key has them doubled by what they are not mistaken for. */
	ff_buf_addf(&key, "%d %s\n", (int)result->end, result->message ? result->message : "");
	for (size_t i = 0; i < result->output_len; i++) {
		unsigned char byte = (unsigned char)result->output[i];

		ff_buf_addch(&key, byte < 2 ? '\1' : (char)byte);
		if (byte < 2)
			ff_buf_addch(&key, byte ? '1' : '0');
	}
	number = (uintptr_t)ff_map_get(&said->by_key, ff_buf_str(&key));
	if (number) {
		ff_buf_release(&key);
		return &said->groups[number - 1];
	}
	if (said->len == said->cap) {
		said->cap = said->cap ? said->cap * 2 : 16;
		said->groups = ff_xrealloc(said->groups, said->cap * sizeof(*said->groups));
	}
	group = &said->groups[said->len++];
	*group = (struct ff_said_group){
		.end = result->end,
		.message = ff_xstrdup(result->message),
		.output = ff_xcalloc(1, result->output_len + 1),
		.output_len = result->output_len,
		.first = UINT32_MAX,
	};
	memcpy(group->output, result->output, result->output_len);
	if (ff_map_set(&said->by_key, ff_buf_str(&key), (void *)(uintptr_t)said->len))
		abort();
	ff_buf_release(&key);
	return group;
}

void ff_said_add(struct ff_said *said, const struct ff_exec_result *result)
{
	struct ff_said_group *group = group_of(said, result);

	if (group->len == group->cap) {
		group->cap = group->cap ? group->cap * 2 : 4;
		group->names = ff_xrealloc(group->names, group->cap * sizeof(*group->names));
	}
	group->names[group->len++] = result->host->name;
	if (result->host->index < group->first)
		group->first = result->host->index;
	said->hosts++;
}

void ff_said_release(struct ff_said *said)
{
	for (size_t i = 0; i < said->len; i++) {
		ff_free(said->groups[i].message);
		ff_free(said->groups[i].output);
		ff_free(said->groups[i].names);
	}
	ff_free(said->groups);
	ff_map_release(&said->by_key);
}

static int by_first(const void *a, const void *b)
{
	const struct ff_said_group *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Names in the order of the inventory do not matter to ranges, but to what can't be one. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort(struct ff_said *said)
{
	qsort(said->groups, said->len, sizeof(*said->groups), by_first);
	for (size_t i = 0; i < said->len; i++)
		qsort(said->groups[i].names, said->groups[i].len, sizeof(const char *), by_name);
}

/* --- showing it --- */

static bool ended(const struct ff_said_group *group)
{
	return group->end == FF_EXEC_PASSED || group->end == FF_EXEC_FAILED;
}

static void print_text(const char *text, size_t len)
{
	struct ff_buf out = FF_BUF_INIT;

	if (isatty(STDOUT_FILENO)) {
		ff_text_lines(&out, text, len, "", true);
		text = out.len ? ff_buf_str(&out) : "";
		len = out.len;
	}
	fwrite(text, 1, len, stdout);
	if (len && text[len - 1] != '\n')
		putchar('\n');
	ff_buf_release(&out);
}

static void add_names(struct ff_buf *out, const struct ff_said_group *group)
{
	struct ff_buf names = FF_BUF_INIT;

	ff_range_fold(&names, group->names, group->len);
	ff_text_line(out, ff_buf_str(&names), 0, "");
	ff_buf_release(&names);
}

/* "node[01-08,10]: exit status 2" */
static void print_heading(const struct ff_said_group *group, bool more)
{
	static const char *const without[] = {
		[FF_EXEC_UNREACHED] = "not reachable: ",
		[FF_EXEC_LOST] = "lost: ",
	};
	const char *how =
		group->end < sizeof(without) / sizeof(*without) ? without[group->end] : "";
	struct ff_buf line = FF_BUF_INIT;

	add_names(&line, group);
	ff_buf_addch(&line, ':');
	if (group->message) {
		ff_buf_addf(&line, " %s", how ? how : "");
		ff_text_line(&line, group->message, 0, "");
	} else if (!group->output_len) {
		ff_buf_addstr(&line, " no output");
	}
	printf("%s%s\n", more ? "\n" : "", ff_buf_str(&line));
	ff_buf_release(&line);
}

static void print_diff(const struct ff_said_group *base, const struct ff_said_group *group)
{
	struct ff_buf diff = FF_BUF_INIT, names = FF_BUF_INIT;

	ff_udiff(&diff, base->output, base->output_len, group->output, group->output_len);
	if (diff.len) {
		add_names(&names, base);
		printf("--- %s\n", ff_buf_str(&names));
		ff_buf_clear(&names);
		add_names(&names, group);
		printf("+++ %s\n", ff_buf_str(&names));
		print_text(ff_buf_str(&diff), diff.len);
	} else {
		printf("the same output as ");
		add_names(&names, base);
		printf("%s\n", ff_buf_str(&names));
	}
	ff_buf_release(&diff);
	ff_buf_release(&names);
}

/* What most hosts say; of several the first. NULL: none said anything. */
static const struct ff_said_group *most_common(const struct ff_said *said)
{
	const struct ff_said_group *most = NULL;

	for (size_t i = 0; i < said->len; i++)
		if (ended(&said->groups[i]) && (!most || said->groups[i].len > most->len))
			most = &said->groups[i];
	return most;
}

void ff_said_print(struct ff_said *said, bool diff)
{
	const struct ff_said_group *base;
	bool more = false;

	sort(said);
	base = diff ? most_common(said) : NULL;
	if (base) {
		print_heading(base, false);
		print_text(base->output, base->output_len);
		more = true;
	}
	for (size_t i = 0; i < said->len; i++) {
		const struct ff_said_group *group = &said->groups[i];

		if (group == base)
			continue;
		print_heading(group, more);
		if (base && ended(group))
			print_diff(base, group);
		else
			print_text(group->output, group->output_len);
		more = true;
	}
}

/* "9 passed, 1 failed (n4), 1 not reachable (n5)" */
void ff_said_complain_last(const struct ff_said *said, int code)
{
	static const struct {
		enum ff_exec_end end;
		const char *word;
	} words[] = {{FF_EXEC_PASSED, "passed"},
		     {FF_EXEC_FAILED, "failed"},
		     {FF_EXEC_UNREACHED, "not reachable"},
		     {FF_EXEC_LOST, "lost"},
		     {FF_EXEC_STOPPED, "interrupted"}};
	struct ff_buf line = FF_BUF_INIT;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const char **names = ff_xcalloc(said->hosts + 1, sizeof(*names));
		size_t len = 0;

		for (size_t j = 0; j < said->len; j++)
			for (size_t k = 0;
			     said->groups[j].end == words[i].end && k < said->groups[j].len; k++)
				names[len++] = said->groups[j].names[k];
		if (len)
			ff_buf_addf(&line, "%s%zu %s", line.len ? ", " : "", len, words[i].word);
		if (len && i) {
			ff_buf_addstr(&line, " (");
			ff_range_fold(&line, names, len);
			ff_buf_addch(&line, ')');
		}
		ff_free(names);
	}
	ff_complain_last(line.len ? ff_buf_str(&line) : "no host", code);
	ff_buf_release(&line);
}

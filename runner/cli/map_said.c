/* What the command line of `farflung map` says, and what fits together of it. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cli/map.h"

enum { SLOTS_MAX = 100000, SLOTS_UNLIMITED = 1000 };
enum { GROUP_MAX = 1000000 };
#define BLOCK_DEFAULT (INT64_C(1) << 20)

int64_t ff_map_cpus(void)
{
	cpu_set_t may;

	return sched_getaffinity(0, sizeof(may), &may) < 0 ? 1 : CPU_COUNT(&may);
}

/* -j: at least 1, or -1 with a complaint. */
int64_t ff_map_slots(const char *text)
{
	const char *digits = text + (*text == '+' || *text == '-');
	size_t len = strspn(digits, "0123456789");
	bool percent = digits[len] == '%' && digits == text;
	long long n = strtoll(digits, NULL, 10);

	if (len == 0 || len > 6 || digits[len + percent]) {
		ff_complain("map: -j wants a number, a percentage of the CPUs, +N or -N, got '%s'",
			    text);
		return -1;
	}
	if (percent)
		n = (ff_map_cpus() * n + 50) / 100;
	else if (digits > text)
		n = *text == '+' ? ff_map_cpus() + n : ff_map_cpus() - n;
	else if (n == 0)
		n = SLOTS_UNLIMITED;
	return n < 1 ? 1 : n > SLOTS_MAX ? SLOTS_MAX : n;
}

/* "now,fail=3", "soon,success=10%", "never"; GNU parallel's older 0, 1 and 2. */
int ff_map_halt(struct ff_config *config, const char *text)
{
	static const struct {
		const char *word;
		enum ff_halt on;
	} kinds[] = {
		{"fail=", FF_HALT_FAIL}, {"success=", FF_HALT_SUCCESS}, {"done=", FF_HALT_DONE}};
	const char *why, *digits = NULL;
	enum ff_halt on = FF_HALT_NEVER;
	size_t len;
	int64_t n;

	if (!strcmp(text, "never") || !strcmp(text, "0"))
		return 0;
	if (!strcmp(text, "1") || !strcmp(text, "2"))
		text = *text == '1' ? "soon,fail=1" : "now,fail=1";
	why = strchr(text, ',');
	for (size_t i = 0; why && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strncmp(why + 1, kinds[i].word, strlen(kinds[i].word))) {
			on = kinds[i].on;
			digits = why + 1 + strlen(kinds[i].word);
		}
	len = digits ? strspn(digits, "0123456789") : 0;
	n = len && len < 10 ? strtoll(digits, NULL, 10) : 0;
	if (n < 1 || (digits[len] && strcmp(digits + len, "%") != 0) ||
	    (strncmp(text, "now,", 4) && strncmp(text, "soon,", 5)) || (digits[len] && n > 100)) {
		ff_complain("map: --halt wants never, or now or soon, a comma, and fail=, success= "
			    "or done= with a number from 1 or a percentage, got '%s'",
			    text);
		return -1;
	}
	config->settings.halt.on = on;
	config->settings.halt.now = *text == 'n';
	config->settings.halt.count = digits[len] ? 0 : n;
	config->settings.halt.percent = digits[len] ? n : 0;
	return 0;
}

/* How items become units. */
int ff_map_how(const struct options *o, struct ff_lines_how *how)
{
	int64_t many = ff_map_number("-N", o->max_replace, 0, GROUP_MAX);
	int64_t plain = ff_map_number("-n", o->max_args, 0, GROUP_MAX);
	int64_t lines = ff_map_number("-L", o->max_lines, 1, GROUP_MAX);
	int trim = ff_map_trim(o->trim);

	if (many < 0 || plain < 0 || lines < 0 || trim < 0)
		return -1;
	many = lines ? lines : many;
	how->bare = (o->max_replace && many == 0) || (o->max_args && plain == 0);
	how->group = (uint32_t)(many ? many : plain);
	if (how->group == 1 && !o->xargs && !o->merge)
		how->group = 0;
	how->context = (o->xargs || (how->group && !o->max_args)) && !o->merge;
	how->link = o->link;
	how->trim = (unsigned)trim;
	how->replace = o->replace && strcmp(o->replace, "{}") != 0 ? o->replace : NULL;
	return 0;
}

/* What fits together, of what makes units. */
int ff_map_check_items(const struct options *o)
{
	const char *many = o->max_replace	     ? "-N"
			   : o->max_args	     ? "-n"
			   : o->max_lines	     ? "-L"
			   : o->end_mark	     ? "-E"
			   : o->xargs		     ? "-X"
			   : o->merge		     ? "-m"
			   : o->header		     ? "--header"
			   : o->link		     ? "--link"
			   : o->shuffle		     ? "--shuf"
			   : o->trim		     ? "--trim"
			   : o->separator && o->pipe ? "-C"
						     : NULL;

	if (!!o->max_replace + !!o->max_args + !!o->max_lines > 1) {
		ff_complain("map: -N, -n and -L exclude each other");
		return -1;
	}
	if ((o->replace && !*o->replace) || (o->arg_sep && !*o->arg_sep)) {
		ff_complain("map: %s wants a text that is not empty",
			    o->replace && !*o->replace ? "-I" : "--arg-sep");
		return -1;
	}
	if (o->header && strcmp(o->header, ":") != 0) {
		ff_complain("map: --header wants ':', got '%s'", o->header);
		return -1;
	}
	if (o->max_chars && !o->xargs && !o->merge) {
		ff_complain("map: --max-chars is for -X and -m");
		return -1;
	}
	if (o->nul && o->delimiter) {
		ff_complain("map: -0 and -d exclude each other");
		return -1;
	}
	if (o->pipe && many) {
		ff_complain("map: %s is about items, and --pipe has none", many);
		return -1;
	}
	return 0;
}

static int check_cpu(const char *text)
{
	const struct ff_config_option *option = ff_config_option_find(FF_SECTION_JOB, "cpu");
	struct ff_err err = {0};

	if (!text || !ff_config_set(NULL, NULL, option, text, &err))
		return 0;
	ff_complain("map: --cpu %s", err.text);
	return -1;
}

/* What fits together. */
int ff_map_check(const struct options *o, int64_t *block_bytes)
{
	*block_bytes = o->block ? ff_config_size_bytes(o->block) : BLOCK_DEFAULT;
	if (*block_bytes < 1) {
		ff_complain("map: --block wants a size such as 64k or 10M, got '%s'", o->block);
		return -1;
	}
	if (o->block && !o->pipe) {
		ff_complain("map: --block is for --pipe");
		return -1;
	}
	if (o->keep && o->lines) {
		ff_complain("map: --keep-order and --line-buffer exclude each other");
		return -1;
	}
	if (o->pipe && (o->sent.len || o->both.len)) {
		ff_complain("map: --transferfile has no items with --pipe");
		return -1;
	}
	if (o->cleanup && !o->sent.len && !o->returned.len) {
		ff_complain("map: --cleanup wants --transferfile or --return");
		return -1;
	}
	if (ff_map_check_timeout(o->timeout) || check_cpu(o->cpu))
		return -1;
	if (o->inventory && o->tx.len > 0) {
		ff_complain("map: hosts are those of -f FILE or of --tx, not of both");
		return -1;
	}
	return 0;
}

int ff_map_tag(const struct options *o, struct ff_lines *lines)
{
	struct ff_buf text = FF_BUF_INIT;
	struct ff_err err = {0};

	if (!o->tagstring)
		return 0;
	for (const char *at = o->tagstring; *at; at++) {
		bool tab = at[0] == '\\' && at[1] == 't';

		ff_buf_addch(&text, tab ? '\t' : *at);
		at += tab;
	}
	if (ff_lines_tagged(lines, text.len ? ff_buf_str(&text) : "", &err))
		ff_complain("map: %s", err.text);
	ff_buf_release(&text);
	return err.code ? -1 : 0;
}

int ff_map_input_said(const struct options *o, struct ff_map_input *input, struct ff_buf *delimiter)
{
	if (o->delimiter && ff_map_delimiter(o->delimiter, delimiter))
		return -1;
	if (o->delimiter)
		input->end = (struct ff_lines_end){ff_buf_str(delimiter), delimiter->len, false};
	if (o->nul)
		input->end = (struct ff_lines_end){"", 1, false};
	if (o->pipe && input->end.len != 1) {
		ff_complain("map: with --pipe -d wants one character, got '%s'", o->delimiter);
		return -1;
	}
	input->end.skip_empty = o->skip_empty;
	input->split_words = o->delimiter != NULL;
	input->separator = o->separator;
	input->pipe = o->pipe;
	input->arg_sep = o->arg_sep;
	input->end_mark = o->end_mark;
	input->all = o->dry || o->end_mark || o->xargs || o->merge || o->header || o->shuffle;
	input->header = o->header != NULL;
	input->shuffle = o->shuffle;
	input->quote = o->quote;
	return 0;
}

/* Text to values: numbers, durations, sizes, booleans and choices, for the file and for command
 * lines alike. Knows no YAML. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "config/options.h"
#include "config/private.h"
#include "config/mistakes.h"

enum { WORD_MAX = 32 };

static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};

const char *ff_option_wants(const struct ff_config_option *option, char text[FF_OPTION_WANTS_MAX])
{
	static const char *const formats[] = {
#define X(name, word, what) [FF_TYPE_##name] = what,
		FF_CONFIG_TYPE_MAP(X)
#undef X
	};
	const char *hole = strstr(formats[option->type], "%s");
	const char *filling = option->choices ? option->choices : option->range;

	if (!hole)
		return formats[option->type];
	snprintf(text, FF_OPTION_WANTS_MAX, "%.*s%s%s", (int)(hole - formats[option->type]),
		 formats[option->type], filling ? filling : "", hole + 2);
	return text;
}

/* The next word of "a, b or c"; its length, 0 at the end. */
static size_t next_choice(const char **at)
{
	*at += strspn(*at, ", ");
	if (!strncmp(*at, "or ", 3))
		*at += 3;
	return strcspn(*at, ", ");
}

/* "a, b or c" */
static bool is_among(const char *at, const char *text)
{
	size_t len;

	for (; (len = next_choice(&at)); at += len)
		if (strlen(text) == len && !strncmp(at, text, len))
			return true;
	return false;
}

bool ff_option_is_choice(const struct ff_config_option *option, const char *text)
{
	return is_among(option->choices, text);
}

bool ff_option_is_for(const struct ff_config_option *option, const char *payload)
{
	return !option->only || is_among(option->only, payload);
}

const char *ff_option_suggest(const struct ff_config_option *option, const char *text,
			      char hint[FF_SUGGEST_TEXT_MAX])
{
	const char *at = option->choices ? option->choices : "";
	char words[8][WORD_MAX];
	struct ff_suggest suggest;
	size_t len, used = 0;

	ff_suggest_init(&suggest, text);
	for (; (len = next_choice(&at)); at += len) {
		if (used == sizeof(words) / sizeof(*words) || len >= WORD_MAX)
			break;
		snprintf(words[used], WORD_MAX, "%.*s", (int)len, at);
		ff_suggest_offer(&suggest, words[used++]);
	}
	for (size_t i = 0; option->type == FF_TYPE_BOOLEAN && i < sizeof(yes) / sizeof(*yes); i++) {
		ff_suggest_offer(&suggest, yes[i]);
		ff_suggest_offer(&suggest, no[i]);
	}
	if (option->type == FF_TYPE_NUMBER_OR_ALL)
		ff_suggest_offer(&suggest, "all");
	return ff_suggest_text(&suggest, hint);
}

int ff_config_number(const char *text, int64_t min, int64_t max, int64_t *number)
{
	const char *digits = text + (*text == '-' || *text == '+');
	int64_t parsed;

	if (!*digits || digits[strspn(digits, "0123456789")])
		return FF_EINVAL;
	errno = 0;
	parsed = strtoll(text, NULL, 10);
	if (errno || parsed < min || parsed > max)
		return FF_EINVAL;
	*number = parsed;
	return 0;
}

static int parse_boolean(const char *text, bool *boolean)
{
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
			*boolean = !strcasecmp(text, yes[i]);
			return 0;
		}
	}
	return FF_EINVAL;
}

static int in_range(const struct ff_config_option *option, int64_t number, int64_t *member)
{
	if (number < 0 || number < option->min || number > option->max)
		return FF_EINVAL;
	*member = number;
	return 0;
}

/* Of "2" or "1.25", at most three digits behind the point; negative: it is none. */
static int64_t thousandths(const char *text, size_t len)
{
	size_t whole = strspn(text, "0123456789"), digits = 0;
	int64_t number = 0;

	if (!whole || whole > 9 || whole > len)
		return -1;
	for (size_t i = 0; i < whole; i++)
		number = 10 * number + (text[i] - '0');
	if (whole < len && text[whole] == '.')
		digits = strspn(text + whole + 1, "0123456789");
	if (whole + (digits ? digits + 1 : 0) != len || digits > 3)
		return -1;
	for (size_t i = 0; i < 3; i++)
		number = 10 * number + (i < digits ? text[whole + 1 + i] - '0' : 0);
	return number;
}

/* "20%" or "20". */
static int64_t percent(const char *text)
{
	size_t len = strlen(text);
	int64_t number = thousandths(text, len && text[len - 1] == '%' ? len - 1 : len);

	return number < 0 || number % 1000 ? -1 : number / 1000;
}

int64_t ff_option_percent(const char *text)
{
	size_t len = strlen(text);

	return len && text[len - 1] == '%' ? percent(text) : -1;
}

int ff_option_amount(const struct ff_config_option *option, const char *text,
		     struct ff_config_amount *amount)
{
	int64_t share = ff_option_percent(text), number;

	if (option->choices && ff_option_is_choice(option, text)) {
		*amount = (struct ff_config_amount){0};
		return 0;
	}
	if (share >= 0) {
		if (share < 1 || share > 100)
			return FF_EINVAL;
		*amount = (struct ff_config_amount){.percent = share};
		return 0;
	}
	number = option->type == FF_TYPE_MEMORY ? ff_config_size_bytes(text)
						: thousandths(text, strlen(text));
	if (in_range(option, number, &number))
		return FF_EINVAL;
	*amount = (struct ff_config_amount){.amount = number};
	return 0;
}

int ff_option_parse(const struct ff_config_option *option, const char *text, void *value)
{
	switch (option->type) {
	case FF_TYPE_NUMBER_OR_ALL:
		if (!strcmp(text, "all")) {
			*(int64_t *)value = -1;
			return 0;
		}
		return ff_config_number(text, option->min, option->max, value);
	case FF_TYPE_NUMBER:
	case FF_TYPE_NUMBER_TEXT:
		return ff_config_number(text, option->min, option->max, value);
	case FF_TYPE_FACTOR:
		return in_range(option, thousandths(text, strlen(text)), value);
	case FF_TYPE_PERCENT:
		return in_range(option, percent(text), value);
	case FF_TYPE_LIMIT:
	case FF_TYPE_DURATION:
		return in_range(option, ff_config_duration_us(text), value);
	case FF_TYPE_SIZE:
		return in_range(option, ff_config_size_bytes(text), value);
	case FF_TYPE_BOOLEAN:
		return parse_boolean(text, value);
	default:
		return FF_EINVAL;
	}
}

void ff_read_defaults(enum ff_config_section section, void *target)
{
	for (const struct ff_config_option *option = ff_config_options; option->key; option++) {
		void *member = (char *)target + option->offset;

		if (option->section != section || !option->stored || !option->fallback)
			continue;
		if (option->type == FF_TYPE_TEXT || option->type == FF_TYPE_CHOICE ||
		    option->type == FF_TYPE_MEMORY)
			*(const char **)member = option->fallback;
		else
			ff_option_parse(option, option->fallback, member);
	}
}

int ff_config_set(struct ff_config *config, struct ff_config_job *job,
		  const struct ff_config_option *option, const char *text, struct ff_err *err)
{
	char want[FF_OPTION_WANTS_MAX], hint[FF_SUGGEST_TEXT_MAX];
	void *target = job ? (void *)job : (void *)config;
	int64_t room;
	void *member = target ? (void *)((char *)target + option->offset) : &room;
	bool is_amount = option->type == FF_TYPE_MEMORY || option->type == FF_TYPE_CPU;
	bool is_text = option->type == FF_TYPE_TEXT || option->type == FF_TYPE_CHOICE || is_amount;
	struct ff_config_amount amount;
	bool fits = option->type == FF_TYPE_TEXT     ? *text || option->may_be_empty
		    : option->type == FF_TYPE_CHOICE ? ff_option_is_choice(option, text)
		    : is_amount			     ? !ff_option_amount(option, text, &amount)
						     : !ff_option_parse(option, text, member);

	if (!fits)
		return ff_err_set(err, FF_EINVAL, "wants %s, got '%s'%s",
				  ff_option_wants(option, want), text,
				  ff_option_suggest(option, text, hint));
	if (is_text && target)
		*(char **)member = ff_config_keep(config, text);
	return 0;
}

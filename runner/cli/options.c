/* Command line parsing from a command's option table. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/runs.h"
#include "config/config.h"
#include "dispatch/dispatch.h"
#include "report/reporter.h"

/* One word that begins with a dash, or one letter of it. */
struct found {
	const struct ff_option *own;
	const struct ff_reporter_kind *report; /* own is the REPORTS entry */
	const struct ff_foreign *foreign;
};

struct parse {
	const struct ff_command *command;
	void *values;
	struct ff_strv *rest;
};

static struct found find_long(const struct ff_command *command, const char *name, size_t len)
{
	struct found found = {0};

	for (const struct ff_option *o = command->options; o->name; o++) {
		if (o->kind == FF_OPTION_REPORTS) {
			for (const struct ff_reporter_kind *const *kind = ff_reporter_kinds; *kind;
			     kind++)
				if (strlen((*kind)->name) == len &&
				    !strncmp((*kind)->name, name, len))
					return (struct found){.own = o, .report = *kind};
		} else if (len > 0 && strlen(o->name) == len && !strncmp(o->name, name, len)) {
			return (struct found){.own = o};
		}
	}
	for (const struct ff_foreign *f = command->foreign; f && (f->name || f->letter); f++)
		if (f->name && strlen(f->name) == len && !strncmp(f->name, name, len))
			found.foreign = f;
	return found;
}

static struct found find_letter(const struct ff_command *command, char letter)
{
	struct found found = {0};

	for (const struct ff_option *o = command->options; o->name; o++)
		if (o->letter == letter)
			return (struct found){.own = o};
	for (const struct ff_foreign *f = command->foreign; f && (f->name || f->letter); f++)
		if (f->letter == letter)
			found.foreign = f;
	return found;
}

static bool takes_value(const struct ff_option *option)
{
	return option->kind != FF_OPTION_FLAG && option->kind != FF_OPTION_SETS &&
	       option->kind != FF_OPTION_COUNT && option->kind != FF_OPTION_MAYBE;
}

static int complain_unknown(const struct ff_command *command, const char *word, size_t len)
{
	char hint[FF_SUGGEST_TEXT_MAX], name[FF_SUGGEST_TEXT_MAX / 2];
	const struct ff_option *o = command->options;
	struct ff_suggest suggest;

	snprintf(name, sizeof(name), "%.*s", (int)(len - 2), len > 2 ? word + 2 : "");
	ff_suggest_init(&suggest, name);
	for (; len > 2 && o->name; o++) {
		if (o->name[0])
			ff_suggest_offer(&suggest, o->name);
		for (size_t i = 0; o->kind == FF_OPTION_REPORTS && ff_reporter_kinds[i]; i++)
			ff_suggest_offer(&suggest, ff_reporter_kinds[i]->name);
	}
	for (const struct ff_foreign *f = command->foreign; f && (f->name || f->letter); f++)
		if (len > 2 && f->name)
			ff_suggest_offer(&suggest, f->name);
	*hint = '\0';
	if (suggest.best)
		snprintf(hint, sizeof(hint), "; did you mean '--%s'?", suggest.best);
	if (command->foreign)
		ff_complain("%s: unknown option '%.*s'%s (see farflung %s --help; other options of "
			    "%s go behind --)",
			    command->name, (int)len, word, hint, command->name,
			    command->foreign_program);
	else
		ff_complain("%s: unknown option '%.*s'%s (see farflung %s --help)", command->name,
			    (int)len, word, hint, command->name);
	return -1;
}

/* What is wrong with a value, in the words of the table of the configuration; 0 if nothing is. */
static int check_value(const struct ff_option *option, const char *value, struct ff_err *err)
{
	static const struct ff_config_option text = {.type = FF_TYPE_TEXT};
	static const struct ff_config_option number = {
		.type = FF_TYPE_NUMBER, .min = 0, .max = INT32_MAX, .range = "0 to 2147483647"};
	const struct ff_config_option choice = {.type = FF_TYPE_CHOICE, .choices = option->choices};
	const struct ff_config_option *like = &text;

	if (option->kind == FF_OPTION_CONFIG)
		like = ff_config_option_find(option->section, option->key);
	else if (option->kind == FF_OPTION_CHOICE)
		like = &choice;
	else if (option->kind == FF_OPTION_NUMBER)
		like = &number;
	return ff_config_set(NULL, NULL, like, value, err);
}

static int store(const struct parse *p, const struct found *found, const char *value)
{
	const struct ff_option *option = found->own;
	const char *name = found->report ? found->report->name : option->name;
	void *at = (char *)p->values + option->offset;
	struct ff_err err;

	if (takes_value(option) && check_value(option, value, &err)) {
		ff_complain("%s: --%s %s", p->command->name, name, err.text);
		return -1;
	}
	switch (option->kind) {
	case FF_OPTION_FLAG:
		*(bool *)at = true;
		return 0;
	case FF_OPTION_SETS:
		*(const char **)at = option->choices;
		return 0;
	case FF_OPTION_COUNT:
		++*(int *)at;
		return 0;
	case FF_OPTION_MAYBE:
		*(const char **)at = value ? value : "";
		return 0;
	case FF_OPTION_TEXT:
	case FF_OPTION_CHOICE:
	case FF_OPTION_CONFIG:
	case FF_OPTION_RUN:
		*(const char **)at = value;
		return 0;
	case FF_OPTION_NUMBER:
		return ff_config_number(value, 0, INT32_MAX, at);
	case FF_OPTION_REPORTS:
		if (ff_strv_add(at, name))
			return -1;
		return ff_strv_add(at, value);
	case FF_OPTION_LIST:
		return ff_strv_add(at, value);
	}
	return -1;
}

static int complain_missing(const struct parse *p, const char *word, size_t len, const char *arg)
{
	ff_complain("%s: %.*s wants %s", p->command->name, (int)len, word, arg);
	return -1;
}

/* "--name", "--name=value", "--name value"; *used says whether the next word was its value. */
static int parse_long(const struct parse *p, const char *word, const char *next, bool *used)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	struct found found = find_long(p->command, word + 2, len - 2);

	if (!found.own && !found.foreign)
		return complain_unknown(p->command, word, len);
	if (found.foreign) {
		*used = found.foreign->valued && !value;
		if (*used && !next)
			return complain_missing(p, word, len, "a value");
		if (ff_strv_add(p->rest, word))
			return -1;
		return *used ? ff_strv_add(p->rest, next) : 0;
	}
	if (!takes_value(found.own)) {
		if (!value || (found.own->kind == FF_OPTION_MAYBE && *value))
			return store(p, &found, value);
		ff_complain("%s: %.*s takes no value", p->command->name, (int)len, word);
		return -1;
	}
	if (found.own->kind == FF_OPTION_RUN && !value) {
		*used = next && ff_runs_is_run(next);
		return store(p, &found, *used ? next : "last");
	}
	/* What begins like an option is none's value, unless it is written behind "=". */
	*used = !value;
	if (*used && (!next || !strncmp(next, "--", 2)))
		return complain_missing(
			p, word, len, found.report ? found.report->arg : ff_option_arg(found.own));
	return store(p, &found, value ? value : next);
}

/* "-v", "-vv", "-xk expression", "-n4": letters up to the first that has a value. */
static int parse_short(const struct parse *p, const char *word, const char *next, bool *used)
{
	for (const char *letter = word + 1; *letter; letter++) {
		struct found found = find_letter(p->command, *letter);
		const char *value = letter[1] ? letter + 1 : NULL;
		char name[] = {'-', *letter, '\0'};
		int rc;

		if (!found.own && !found.foreign)
			return complain_unknown(p->command, name, 2);
		if (found.own ? !takes_value(found.own) : !found.foreign->valued) {
			rc = found.own ? store(p, &found, NULL) : ff_strv_add(p->rest, name);
			if (rc)
				return -1;
			continue;
		}
		*used = !value;
		if (*used && !next)
			return complain_missing(p, name, 2,
						found.own ? ff_option_arg(found.own) : "a value");
		if (found.own)
			return store(p, &found, value ? value : next);
		rc = ff_strv_addf(p->rest, "%s%s", name, value ? value : "");
		return rc || value ? rc : ff_strv_add(p->rest, next);
	}
	return 0;
}

int ff_options_parse(const struct ff_command *command, int argc, char **argv, void *values,
		     struct ff_strv *rest, struct ff_strv *after)
{
	const struct parse p = {.command = command, .values = values, .rest = rest};

	for (int i = 0; i < argc; i++) {
		const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
		bool used = false;
		int rc;

		bool ends = strcmp(word, "--") == 0;

		if (ends || (command->ends_with_word && (word[0] != '-' || word[1] == '\0'))) {
			for (i += ends; i < argc; i++)
				ff_strv_add(after ? after : rest, argv[i]);
			return 0;
		}
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			ff_options_help(command);
			return 1;
		}
		if (word[0] != '-' || word[1] == '\0')
			rc = ff_strv_add(rest, word);
		else if (word[1] == '-')
			rc = parse_long(&p, word, next, &used);
		else
			rc = parse_short(&p, word, next, &used);
		if (rc)
			return -1;
		i += used;
	}
	return 0;
}

/* "-xvs": letters that are ours are taken; the first with a value ends the word. */
static int known_short(const struct parse *p, const char *word, const char *next, bool *used)
{
	for (const char *letter = word + 1; *letter; letter++) {
		struct found found = find_letter(p->command, *letter);
		const char *value = letter[1] ? letter + 1 : next;

		if (found.own && !takes_value(found.own)) {
			if (store(p, &found, NULL))
				return -1;
			continue;
		}
		if (found.foreign && !found.foreign->valued) {
			ff_strv_addf(p->rest, "-%c", *letter);
			continue;
		}
		*used = !letter[1] && (found.own || found.foreign);
		if (*used && !next)
			return complain_missing(p, word, strlen(word), "a value");
		if (found.own)
			return store(p, &found, value);
		ff_strv_addf(p->rest, "-%s", letter);
		return *used ? ff_strv_add(p->rest, next) : 0;
	}
	return 0;
}

static bool is_for_plugins(const struct ff_command *command, const struct ff_option *own)
{
	const char *const *name = command->plugins_too;

	while (name && *name && strcmp(*name, own->name) != 0)
		name++;
	return name && *name;
}

static int known_long(const struct parse *p, const char *word, const char *next, bool *used)
{
	struct found found = find_long(p->command, word + 2, strcspn(word, "=") - 2);

	if (found.own && is_for_plugins(p->command, found.own))
		return ff_strv_add(p->rest, word); /* its value, if it is the next word, follows */
	if (found.own || found.foreign)
		return parse_long(p, word, next, used);
	return ff_strv_add(p->rest, word);
}

int ff_options_parse_known(const struct ff_command *command, const struct ff_strv *words,
			   void *values, struct ff_strv *rest)
{
	const struct parse p = {.command = command, .values = values, .rest = rest};

	for (size_t i = 0; i < words->len; i++) {
		const char *word = words->v[i], *next = words->v[i + 1];
		bool used = false;
		int rc;

		if (word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0)
			rc = ff_strv_add(rest, word);
		else if (word[1] == '-')
			rc = known_long(&p, word, next, &used);
		else
			rc = known_short(&p, word, next, &used);
		if (rc)
			return -1;
		i += used;
	}
	return 0;
}

int ff_command_on_file(const struct ff_command *command, int argc, char **argv, void *values,
		       int (*with)(const char *path, void *values))
{
	struct ff_strv rest = FF_STRV_INIT;
	int code = FF_EXIT_USAGE;
	int rc = ff_options_parse(command, argc, argv, values, &rest, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && rest.len > 1)
		ff_complain("%s: one FILE at a time, got '%s' and '%s'", command->name, rest.v[0],
			    rest.v[1]);
	else if (rc == 0)
		code = with(rest.len ? rest.v[0] : "farflung.yaml", values);
	ff_strv_release(&rest);
	return code;
}

/* --help of a command, from its option table. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "dispatch/dispatch.h"
#include "report/reporter.h"

const char *ff_option_arg(const struct ff_option *option)
{
	const struct ff_config_option *there;

	if (option->arg || option->kind != FF_OPTION_CONFIG)
		return option->arg;
	there = ff_config_option_find(option->section, option->key);
	switch (there->type) {
	case FF_TYPE_LIMIT:
	case FF_TYPE_DURATION:
		return "TIME";
	case FF_TYPE_SIZE:
		return "SIZE";
	case FF_TYPE_NUMBER:
	case FF_TYPE_NUMBER_OR_ALL:
		return "N";
	default:
		return "WORD";
	}
}

static void print_option(char letter, const char *name, const char *arg, const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%c %s%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
		 letter && *name ? ',' : ' ', *name ? "--" : "", name,
		 arg && strncmp(arg, "[=", 2) != 0 ? " " : "", arg ? arg : "");
	printf("  %-28s %s", left, help);
}

static void print_own(const struct ff_option *option)
{
	const struct ff_config_option *there = NULL;

	if (option->kind == FF_OPTION_CONFIG)
		there = ff_config_option_find(option->section, option->key);
	print_option(option->letter, option->name, ff_option_arg(option),
		     option->help ? option->help : there->help);
	if (there && there->range)
		printf(" (%s)", there->range);
	putchar('\n');
}

/* The command has an option of its own by that name, which holds. */
static bool has_own(const struct ff_command *command, const char *name)
{
	for (const struct ff_option *o = command->options; o->name; o++)
		if (o->kind != FF_OPTION_REPORTS && strcmp(o->name, name) == 0)
			return true;
	return false;
}

void ff_options_help(const struct ff_command *command)
{
	printf("usage: farflung %s %s\n\n%s\n\noptions:\n", command->name, command->synopsis,
	       command->summary);
	for (const struct ff_option *o = command->options; o->name; o++) {
		if (o->kind != FF_OPTION_REPORTS) {
			if (!o->help || *o->help)
				print_own(o);
			continue;
		}
		for (size_t i = 0; ff_reporter_kinds[i]; i++) {
			if (has_own(command, ff_reporter_kinds[i]->name))
				continue;
			print_option(0, ff_reporter_kinds[i]->name, ff_reporter_kinds[i]->arg,
				     ff_reporter_kinds[i]->help);
			putchar('\n');
		}
	}
	print_option('h', "help", NULL, "show this and exit\n");
	if (command->details)
		printf("\n%s", command->details);
}

int ff_command_choice(const struct ff_command *command, int argc, char **argv, void *values,
		      char **word)
{
	const struct ff_config_option one = {.choices = command->choices};
	struct ff_strv rest = FF_STRV_INIT;
	int rc = ff_options_parse(command, argc, argv, values, &rest, NULL);

	if (rc == 0 && (rest.len != 1 || !ff_option_is_choice(&one, rest.v[0]))) {
		ff_complain("%s: wants %s, got %s%s%s", command->name, command->choices,
			    rest.len == 1 ? "'" : "",
			    rest.len == 0   ? "nothing"
			    : rest.len == 1 ? rest.v[0]
					    : "several words",
			    rest.len == 1 ? "'" : "");
		rc = -1;
	}
	if (rc == 0)
		*word = ff_xstrdup(rest.v[0]);
	ff_strv_release(&rest);
	return rc;
}

int ff_command_print(const struct ff_command *command, struct ff_buf *text)
{
	errno = 0;
	if (fputs(ff_buf_str(text), stdout) != EOF && fflush(stdout) == 0)
		return FF_EXIT_OK;
	ff_complain("%s: cannot write to stdout: %s", command->name, strerror(errno));
	return FF_EXIT_INFRA;
}

/* Command line parsing from a command's option table, and the --help made of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "dispatch/dispatch.h"

void ff_complain(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("farflung: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static const struct ff_option *find_option(const struct ff_command *command, const char *name,
					   size_t len, char letter)
{
	for (const struct ff_option *o = command->options; o->name; o++)
		if (letter ? o->letter == letter
			   : strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static int store(const struct ff_command *command, const struct ff_option *option, void *values,
		 const char *arg)
{
	char *at = (char *)values + option->offset;
	char *end;

	switch (option->kind) {
	case FF_OPTION_FLAG:
		*(bool *)at = true;
		return 0;
	case FF_OPTION_COUNT:
		++*(int *)(void *)at;
		return 0;
	case FF_OPTION_TEXT:
		*(const char **)(void *)at = arg;
		return 0;
	case FF_OPTION_LIST:
		return ff_strv_add((struct ff_strv *)(void *)at, arg);
	case FF_OPTION_NUMBER:
		errno = 0;
		*(int64_t *)(void *)at = strtoll(arg, &end, 10);
		if (errno == 0 && *arg && !*end && *(int64_t *)(void *)at >= 0)
			return 0;
		ff_complain("%s: --%s wants a number, got '%s'", command->name, option->name, arg);
		return -1;
	}
	return -1;
}

static bool takes_arg(const struct ff_option *option)
{
	return option->kind != FF_OPTION_FLAG && option->kind != FF_OPTION_COUNT;
}

/* One word that begins with a dash; *used says whether the next word was its value. */
static int parse_word(const struct ff_command *command, const char *word, const char *next,
		      void *values, bool *used)
{
	const char *equals = strchr(word, '=');
	bool is_long = word[1] == '-';
	const char *name = word + 2;
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct ff_option *option = is_long ? find_option(command, name, len, 0)
						 : find_option(command, NULL, 0, word[1]);
	const char *arg = NULL;

	*used = false;
	if (!option) {
		ff_complain("%s: unknown option '%s' (see farflung %s --help)", command->name, word,
			    command->name);
		return -1;
	}
	if (!takes_arg(option)) {
		if (is_long ? equals != NULL : word[2] != '\0' && word[2] != word[1]) {
			ff_complain("%s: --%s takes no value", command->name, option->name);
			return -1;
		}
		for (const char *c = is_long ? "x" : word + 1; *c; c++)
			store(command, option, values, NULL);
		return 0;
	}
	if (is_long)
		arg = equals ? equals + 1 : NULL;
	else if (word[2])
		arg = word + 2;
	if (!arg) {
		if (!next) {
			ff_complain("%s: --%s wants %s", command->name, option->name, option->arg);
			return -1;
		}
		arg = next;
		*used = true;
	}
	return store(command, option, values, arg);
}

int ff_options_parse(const struct ff_command *command, int argc, char **argv, void *values,
		     struct ff_strv *rest, struct ff_strv *after)
{
	for (int i = 0; i < argc; i++) {
		bool used;

		if (strcmp(argv[i], "--") == 0) {
			for (i++; i < argc; i++)
				ff_strv_add(after ? after : rest, argv[i]);
			return 0;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			ff_options_help(command);
			return 1;
		}
		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			ff_strv_add(rest, argv[i]);
			continue;
		}
		if (parse_word(command, argv[i], i + 1 < argc ? argv[i + 1] : NULL, values, &used) <
		    0)
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

void ff_options_help(const struct ff_command *command)
{
	printf("usage: farflung %s %s\n\n%s\n\noptions:\n", command->name, command->synopsis,
	       command->summary);
	for (const struct ff_option *o = command->options; o->name; o++) {
		char left[64];

		if (o->letter)
			snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name,
				 o->arg ? " " : "", o->arg ? o->arg : "");
		else
			snprintf(left, sizeof left, "    --%s%s%s", o->name, o->arg ? " " : "",
				 o->arg ? o->arg : "");
		printf("  %-28s %s\n", left, o->help);
	}
	printf("  %-28s %s\n", "-h, --help", "show this and exit");
	if (command->details)
		printf("\n%s", command->details);
}

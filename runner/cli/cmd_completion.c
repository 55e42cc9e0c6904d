/* farflung completion: a script for a shell, from the tables of commands and options. */
#include <string.h>

#include "base/alloc.h"
#include "cli/complete.h"
#include "dispatch/dispatch.h"
#include "report/reporter.h"

static const struct ff_option options[] = {FF_OPTIONS_END};

static struct ff_complete of_word(const char *word)
{
	static const struct {
		const char *word;
		enum ff_complete_kind kind;
	} words[] = {
		{"FILE", FF_COMPLETE_FILE}, {"PATH", FF_COMPLETE_FILE}, {"DIR", FF_COMPLETE_FOLDER},
		{"RUN", FF_COMPLETE_RUN},   {"[RUN]", FF_COMPLETE_RUN}, {"SRC", FF_COMPLETE_FILE},
		{"TEST", FF_COMPLETE_FILE},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(word, words[i].word) == 0)
			return (struct ff_complete){.kind = words[i].kind};
	return (struct ff_complete){.kind = FF_COMPLETE_TEXT};
}

static struct ff_complete value_of(const struct ff_option *option)
{
	const struct ff_config_option *there;
	const char *arg = ff_option_arg(option);

	if (option->kind == FF_OPTION_FLAG || option->kind == FF_OPTION_SETS ||
	    option->kind == FF_OPTION_COUNT || option->kind == FF_OPTION_MAYBE)
		return (struct ff_complete){.kind = FF_COMPLETE_NONE};
	if (option->kind == FF_OPTION_CHOICE)
		return (struct ff_complete){FF_COMPLETE_WORDS, option->choices};
	if (strcmp(option->name, "job") == 0)
		return (struct ff_complete){.kind = FF_COMPLETE_JOB};
	there = option->kind == FF_OPTION_CONFIG
			? ff_config_option_find(option->section, option->key)
			: NULL;
	if (there && there->choices)
		return (struct ff_complete){FF_COMPLETE_WORDS, there->choices};
	return of_word(arg ? arg : "");
}

static void reports(void (*with)(void *ctx, const struct ff_complete_option *option), void *ctx)
{
	for (size_t i = 0; ff_reporter_kinds[i]; i++) {
		const struct ff_reporter_kind *kind = ff_reporter_kinds[i];
		struct ff_complete_option option = {
			.name = kind->name, .help = kind->help, .arg = kind->arg};

		option.value = (struct ff_complete){FF_COMPLETE_WORDS, kind->choices};
		if (!kind->choices)
			option.value = of_word(kind->arg);
		with(ctx, &option);
	}
}

void ff_complete_options(const struct ff_command *command,
			 void (*with)(void *ctx, const struct ff_complete_option *option),
			 void *ctx)
{
	for (const struct ff_option *o = command->options; o->name; o++) {
		struct ff_complete_option option = {
			.name = o->name, .letter = o->letter, .help = o->help};

		if (o->kind == FF_OPTION_REPORTS) {
			reports(with, ctx);
			continue;
		}
		if (o->help && !*o->help)
			continue;
		if (!o->help)
			option.help = ff_config_option_find(o->section, o->key)->help;
		option.value = value_of(o);
		if (option.value.kind != FF_COMPLETE_NONE)
			option.arg = ff_option_arg(o);
		with(ctx, &option);
	}
	with(ctx, &(struct ff_complete_option){
			  .name = "help", .letter = 'h', .help = "show this and exit"});
}

struct ff_complete ff_complete_words(const struct ff_command *command)
{
	const char *synopsis = command->synopsis;

	if (command->choices)
		return (struct ff_complete){FF_COMPLETE_WORDS, command->choices};
	if (strstr(synopsis, "RUN"))
		return (struct ff_complete){.kind = FF_COMPLETE_RUN};
	if (strstr(synopsis, "FILE]") || strstr(synopsis, "FILE_OR_DIR") ||
	    strstr(synopsis, "DIR...") || strstr(synopsis, "SRC") || strstr(synopsis, "TEST") ||
	    strstr(synopsis, "COMMAND"))
		return (struct ff_complete){.kind = FF_COMPLETE_FILE};
	return (struct ff_complete){.kind = FF_COMPLETE_TEXT};
}

void ff_complete_choices(struct ff_buf *out, const char *choices)
{
	const char *separator = "";

	for (size_t len; *choices; choices += len + strspn(choices + len, ", ")) {
		len = strcspn(choices, ", ");
		if (len == 2 && !strncmp(choices, "or", 2))
			continue;
		ff_buf_addstr(out, separator);
		ff_buf_add(out, choices, len);
		separator = " ";
	}
}

void ff_complete_quoted(struct ff_buf *out, const char *text, bool backslash)
{
	for (; *text; text++)
		if (*text == '\'')
			ff_buf_addstr(out, backslash ? "\\'" : "'\\''");
		else if (*text == '\\' && backslash)
			ff_buf_addstr(out, "\\\\");
		else
			ff_buf_addch(out, *text);
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct ff_buf text = FF_BUF_INIT;
	char *shell = NULL;
	int code, rc = ff_command_choice(command, argc, argv, NULL, &shell);

	if (rc != 0)
		return rc > 0 ? FF_EXIT_OK : FF_EXIT_USAGE;
	if (strcmp(shell, "bash") == 0)
		ff_complete_bash(&text);
	else if (strcmp(shell, "zsh") == 0)
		ff_complete_zsh(&text);
	else
		ff_complete_fish(&text);
	code = ff_command_print(command, &text);
	ff_buf_release(&text);
	ff_free(shell);
	return code;
}

const struct ff_command ff_command_completion = {
	.name = "completion",
	.summary = "Print completions of commands, options and their values for a shell.",
	.synopsis = "[OPTIONS] bash|zsh|fish",
	.details = "bash: farflung completion bash > ~/.local/share/bash-completion/completions/"
		   "farflung\n"
		   "zsh:  farflung completion zsh > DIR/_farflung, where $fpath has DIR\n"
		   "fish: farflung completion fish > ~/.config/fish/completions/farflung.fish\n",
	.options = options,
	.choices = "bash, zsh or fish",
	.run = run,
};

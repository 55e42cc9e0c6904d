/* Commands of which a shell would make one program and its words: these are run without one, which
 * takes half the time. Whatever a shell might read in another way is left to it. */
#include <string.h>

#include "base/alloc.h"
#include "plan/lines_private.h"
#include "wire/utf8.h"

/* No character of these means anything to a shell within a word; a tilde does at its beginning. */
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-"

/* Words that shells take for themselves, where they stand first. */
static const char *const own[] = {
	".",	    ":",       "alias",	  "bg",	     "bind",	 "break",    "builtin", "caller",
	"case",	    "cd",      "chdir",	  "command", "compgen",	 "complete", "compopt", "continue",
	"coproc",   "declare", "dirs",	  "disown",  "do",	 "done",     "echo",	"elif",
	"else",	    "enable",  "esac",	  "eval",    "exec",	 "exit",     "export",	"false",
	"fc",	    "fg",      "fi",	  "for",     "function", "getopts",  "hash",	"help",
	"history",  "if",      "in",	  "jobs",    "kill",	 "let",	     "local",	"logout",
	"mapfile",  "popd",    "print",	  "printf",  "pushd",	 "pwd",	     "read",	"readarray",
	"readonly", "return",  "select",  "set",     "shift",	 "shopt",    "source",	"suspend",
	"test",	    "then",    "time",	  "times",   "trap",	 "true",     "type",	"typeset",
	"ulimit",   "umask",   "unalias", "unset",   "until",	 "wait",     "while"};

static bool is_own(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (strlen(own[i]) == len && memcmp(word, own[i], len) == 0)
			return true;
	return memchr(word, '=', len) != NULL;
}

bool ff_lines_is_direct(const struct ff_lines *lines)
{
	const struct ff_lines_part *first = lines->parts;
	const char *word = lines->command + strspn(lines->command, " ");
	size_t len = strspn(word, PLAIN);

	/* The program is in the first part, and something follows it there. */
	if (lines->parts_len == 0 || first->kind != PART_TEXT || len == 0 || is_own(word, len) ||
	    (lines->parts_len > 1 && word + len >= first->text + first->len))
		return false;
	for (size_t i = 0; i < lines->parts_len; i++) {
		const struct ff_lines_part *part = &lines->parts[i];

		if (part->word > 1)
			return false;
		if (part->kind == PART_TEXT && strspn(part->text, PLAIN " ") < part->len)
			return false;
	}
	return true;
}

struct argv {
	struct ff_strv words;
	struct ff_buf word;
	bool begun;
};

static void end_word(struct argv *argv)
{
	if (argv->begun)
		ff_strv_add(&argv->words, argv->word.len ? ff_buf_str(&argv->word) : "");
	ff_buf_clear(&argv->word);
	argv->begun = false;
}

static void add_text(struct argv *argv, const struct ff_lines_part *part)
{
	for (size_t i = 0; i < part->len; i++) {
		if (part->text[i] == ' ') {
			end_word(argv);
		} else {
			ff_buf_addch(&argv->word, part->text[i]);
			argv->begun = true;
		}
	}
}

static void add_value(struct argv *argv, const struct ff_lines_part *part, const char *value)
{
	char *cut = ff_lines_cut(value, part->cut);

	ff_buf_addstr(&argv->word, cut);
	argv->begun = true;
	ff_free(cut);
}

static void add_values(struct argv *argv, const struct ff_lines_part *part,
		       const struct ff_lines_args *args)
{
	size_t which = part->which ? ff_lines_which(part, args->len) : 0;

	if (part->which && which != SIZE_MAX)
		add_value(argv, part, args->v[which]);
	for (size_t i = 0; !part->which && i < args->len; i++) {
		if (i)
			end_word(argv);
		add_value(argv, part, args->v[i]);
	}
}

/* As the arena's; NULL: no memory, or bytes that are no text and travel in another way. */
static char **copy_words(const struct ff_strv *words, struct ff_arena *arena)
{
	char **copy = ff_arena_alloc(arena, (words->len + 1) * sizeof(*copy));

	for (size_t i = 0; copy && i < words->len; i++) {
		copy[i] = ff_is_utf8(words->v[i], strlen(words->v[i]))
				  ? ff_arena_strdup(arena, words->v[i])
				  : NULL;
		if (!copy[i])
			return NULL;
	}
	if (copy)
		copy[words->len] = NULL;
	return copy;
}

char **ff_lines_argv(const struct ff_lines *lines, uint32_t index, uint32_t slot,
		     struct ff_arena *arena)
{
	struct argv argv = {.begun = false};
	struct ff_lines_range range;
	struct ff_lines_args args;
	char **copy;

	ff_lines_range(lines, index, &range);
	ff_lines_args(lines, &range, &args);
	for (size_t i = 0; i < lines->parts_len; i++) {
		const struct ff_lines_part *part = &lines->parts[i];

		if (part->kind == PART_TEXT) {
			add_text(&argv, part);
		} else if (part->kind == PART_VALUE) {
			add_values(&argv, part, &args);
		} else {
			ff_buf_adduint(&argv.word,
				       part->kind == PART_SEQ ? ff_lines_seq(lines, index) : slot);
			argv.begun = true;
		}
	}
	end_word(&argv);
	ff_lines_args_release(&args);
	copy = copy_words(&argv.words, arena);
	ff_strv_release(&argv.words);
	ff_buf_release(&argv.word);
	return copy;
}

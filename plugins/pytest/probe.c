/* Which interpreter runs the sessions of a host: the one that its spec names, checked, or the first
 * on PATH that has pytest. A first python3 without it (a version manager's shim, say) is common,
 *and worth a note.
 *
 * A shell script looks, its lines are read here. Each begins with a mark: start files, wrappers and
 * sitecustomize may print what they like in between.
 *
 *	named TEXT      python= as it was given; `word`s follow, expanded, then a verdict
 *	word W
 *	try PATH        one that was found; a verdict follows
 *	have VERSION yes|no     a verdict: it runs, and has pytest or not
 *	bad STATUS TEXT         a verdict: it does not run
 *	not WHY                 a verdict: it can't be run at all
 */
#include "pytest/probe.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

#define MARK	     "farflung-probe"
#define PYTHON_LEAST "3.7"

enum {
	LEAST_MAJOR = 3,
	LEAST_MINOR = 7,
	FACTS = 2,
	SAID_MAX = 200, /* bytes of what a program that does not run says of it */
};

/* `ask WORDS…` runs an interpreter; 0: it will do. A folder named pytest is no pytest. */
static const char script_head[] =
	"set -f\n"
	"nl='\n'\n"
	"code='import sys\n"
	"v=sys.version_info\n"
	"r=\"no\"\n"
	"if v>=(3,7):\n"
	" import importlib.util as u\n"
	" s=u.find_spec(\"pytest\")\n"
	" if s and s.origin:r=\"yes\"\n"
	"sys.stdout.write(\"\\n" MARK "\\thave\\t%d.%d.%d\\t%s\\n\"%(v[:3]+(r,)))\n"
	"sys.stdout.flush()\n"
	"sys.exit(10*(r==\"no\"))'\n"
	"say() { printf '\\n" MARK "'; for w; do printf '\\t%s' \"$w\"; done; printf '\\n'; }\n"
	"exec 3>&1\n"
	"ask() {\n"
	"  e=$(\"$@\" -c \"$code\" </dev/null 2>&1 >&3); s=$?\n"
	"  case $s in 0|10) ;; *) say bad \"$s\" \"${e##*\"$nl\"}\";; esac\n"
	"  return $s\n"
	"}\n";

static const char script_search[] = "IFS=:; seen=:\n"
				    "for d in $PATH /usr/local/bin /usr/bin; do\n"
				    "for n in python3 python; do\n"
				    "  f=$d/$n; [ -x \"$f\" ] && [ ! -d \"$f\" ] || continue\n"
				    "  case $seen in *:\"$f\":*) continue;; esac; seen=$seen$f:\n"
				    "  say try \"$f\"; ask \"$f\" && exit 0\n"
				    "done; done; exit 0\n";

/* Its words are the shell's $1 … */
static const char script_named[] =
	"for word; do say word \"$word\"; done\n"
	"case $1 in\n"
	"*/*)\n"
	"  if [ ! -e \"$1\" ]; then say not 'not found'; exit 0; fi\n"
	"  if [ -d \"$1\" ]; then say not 'is a folder'; exit 0; fi\n"
	"  if [ ! -x \"$1\" ]; then say not 'not executable'; exit 0; fi;;\n"
	"*)\n"
	"  command -v \"$1\" >/dev/null 2>&1 || { say not 'not found on PATH'; exit 0; };;\n"
	"esac\n"
	"ask \"$@\"\n"
	"exit 0\n";

/* --- out --- */

/* A word for the shell. Behind an unquoted tilde and slash it expands a home. */
static void add_word(struct ff_buf *out, const char *word)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_.-";
	size_t home = word[0] == '~' ? 1 + strspn(word + 1, name) : 0;

	ff_buf_addch(out, ' ');
	if (home && (word[home] == '/' || !word[home])) {
		home += word[home] == '/';
		ff_buf_add(out, word, home);
		word += home;
		if (!*word)
			return;
	}
	ff_shell_quote(out, word);
}

/* `say named TEXT`: on one line, whatever the text holds. */
static void add_named(struct ff_buf *out, const char *text)
{
	struct ff_buf line = FF_BUF_INIT;

	for (const char *c = text; *c; c++)
		ff_buf_addch(&line, (unsigned char)*c < ' ' ? '?' : *c);
	ff_buf_addstr(out, "say named ");
	if (ff_buf_str(&line))
		ff_shell_quote(out, ff_buf_str(&line));
	ff_buf_addch(out, '\n');
	ff_buf_release(&line);
}

static void write_named(struct ff_buf *out, const char *text)
{
	struct ff_strv words = FF_STRV_INIT;

	add_named(out, text);
	if (ff_strv_split(&words, text, NULL) < 0) {
		ff_buf_addstr(out, "say not 'a quote is not closed, or a backslash ends it'");
	} else if (!words.len || !*words.v[0]) {
		ff_buf_addstr(out, "say not 'it names no program'");
	} else if (strpbrk(text, "\n\r\t")) {
		ff_buf_addstr(out, "say not 'it holds a tab or a line break'");
	} else {
		ff_buf_addstr(out, "set --");
		for (size_t i = 0; i < words.len; i++)
			add_word(out, words.v[i]);
		ff_buf_addch(out, '\n');
		ff_buf_addstr(out, script_named);
	}
	ff_strv_release(&words);
}

static int probe_command(const struct ff_xspec *spec, struct ff_arena *arena, const char **shell)
{
	struct ff_buf text = FF_BUF_INIT;
	char *copy;

	ff_buf_addstr(&text, script_head);
	if (spec->python && *spec->python)
		write_named(&text, spec->python);
	else
		ff_buf_addstr(&text, script_search);
	copy = ff_arena_copy(arena, ff_buf_data(&text), text.len);
	ff_buf_release(&text);
	if (!copy)
		return FF_ENOMEM;
	*shell = copy;
	return 0;
}

/* --- in --- */

struct looking {
	const char *named;    /* python= as given, or NULL */
	struct ff_buf words;  /* the one at hand, as a shell would read it */
	struct ff_buf shown;  /* the same for people */
	struct ff_buf passed; /* those that will not do, in words */
	char version[32];     /* of the one that will; empty: none so far */
	bool judged;
};

static void begin(struct looking *l)
{
	ff_buf_clear(&l->words);
	ff_buf_clear(&l->shown);
}

static void add_to_command(struct looking *l, const char *word)
{
	if (l->words.len) {
		ff_buf_addch(&l->words, ' ');
		ff_buf_addch(&l->shown, ' ');
	}
	ff_shell_quote(&l->words, word);
	ff_buf_addstr(&l->shown, word);
}

static const char *shown(struct looking *l)
{
	const char *text = ff_buf_str(&l->shown);

	return text ? text : "?";
}

/* One more that will not do. */
static void pass_over(struct looking *l, const char *sep, const char *why, const char *end)
{
	const char *command = shown(l);

	l->judged = true;
	if (!l->named) {
		ff_buf_addf(&l->passed, "%s%s%s%s%s", l->passed.len ? ", " : "", command, sep, why,
			    end);
		return;
	}
	ff_buf_clear(&l->passed);
	ff_buf_addf(&l->passed, "python=%s", l->named);
	if (l->shown.len && strcmp(l->named, command) != 0)
		ff_buf_addf(&l->passed, " (%s)", command);
	ff_buf_addf(&l->passed, "%s", why);
}

/* Splits off what stands before the next tab. */
static char *next_field(char **at)
{
	char *field = *at;
	char *tab = strchr(field, '\t');

	if (tab)
		*tab = '\0';
	*at = tab ? tab + 1 : field + strlen(field);
	return field;
}

static void on_have(struct looking *l, char *rest)
{
	const char *version = next_field(&rest);
	bool has = strcmp(next_field(&rest), "yes") == 0;
	int major, minor, end = 0;
	char why[128];

	if (sscanf(version, "%4d.%4d.%*4d%n", &major, &minor, &end) < 2 || !end || version[end])
		return; /* no Python's answer */
	if (has) {
		snprintf(l->version, sizeof(l->version), "%s", version);
		return;
	}
	if (!l->named)
		snprintf(why, sizeof(why), "%s", version);
	else if (major < LEAST_MAJOR || (major == LEAST_MAJOR && minor < LEAST_MINOR))
		snprintf(why, sizeof(why), " is Python %s; at least " PYTHON_LEAST " is needed",
			 version);
	else
		snprintf(why, sizeof(why), ": Python %s has no pytest", version);
	pass_over(l, " (", why, ")");
}

static void on_bad(struct looking *l, char *rest)
{
	const char *status = next_field(&rest);
	char why[SAID_MAX + 64];

	if (l->named)
		snprintf(why, sizeof(why), " does not run: exit status %.8s%s%.*s", status,
			 *rest ? ": " : "", SAID_MAX, rest);
	else
		snprintf(why, sizeof(why), "does not run");
	pass_over(l, " (", why, ")");
}

static void on_not(struct looking *l, const char *rest)
{
	char why[SAID_MAX + 8];

	snprintf(why, sizeof(why), ": %.*s", SAID_MAX, rest);
	pass_over(l, "", why, "");
}

static void read_line(struct looking *l, char *line)
{
	const char *word = next_field(&line);

	if (strcmp(word, "named") == 0) {
		l->named = line;
		begin(l);
	} else if (strcmp(word, "word") == 0) {
		add_to_command(l, line);
	} else if (strcmp(word, "try") == 0) {
		begin(l);
		add_to_command(l, line);
	} else if (strcmp(word, "have") == 0) {
		on_have(l, line);
	} else if (strcmp(word, "bad") == 0) {
		on_bad(l, line);
	} else if (strcmp(word, "not") == 0) {
		on_not(l, line);
	}
}

/* The marked lines, up to the one that will do. */
static int read_lines(struct looking *l, const char *text, size_t len, struct ff_arena *arena)
{
	static const char mark[] = MARK "\t";
	const char *end = text + len;

	while (text < end && !*l->version) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((stop ? stop : end) - text);

		if (size >= sizeof(mark) - 1 && memcmp(text, mark, sizeof(mark) - 1) == 0) {
			char *line = ff_arena_copy(arena, text + sizeof(mark) - 1,
						   size - (sizeof(mark) - 1));

			if (!line)
				return FF_ENOMEM;
			read_line(l, line);
		}
		text += size + 1;
	}
	return 0;
}

static int complain(struct looking *l, struct ff_err *err)
{
	if (l->named && !l->judged)
		pass_over(l, "", ": it does not answer as Python does", "");
	if (!l->passed.len)
		return ff_err_set(err, FF_ENOTFOUND, "no Python found on PATH");
	return ff_err_set(err, FF_ENOTFOUND, "%s%s",
			  l->named ? "" : "no Python with pytest: ", ff_buf_str(&l->passed));
}

static int tell(struct looking *l, struct ff_arena *arena, struct ff_fact **facts,
		size_t *facts_len, struct ff_buf *note)
{
	char *python = ff_arena_copy(arena, ff_buf_data(&l->words), l->words.len);
	char *version = ff_arena_strdup(arena, l->version);
	struct ff_fact *list = ff_arena_alloc(arena, FACTS * sizeof(*list));

	if (!python || !version || !list)
		return FF_ENOMEM;
	list[0] = (struct ff_fact){"python", python};
	list[1] = (struct ff_fact){"version", version};
	*facts = list;
	*facts_len = FACTS;
	if (!l->named && l->passed.len)
		ff_buf_addf(note, "using %s: no pytest in %s (python= chooses another)", shown(l),
			    ff_buf_str(&l->passed));
	return 0;
}

static int probe_read(const char *text, size_t len, struct ff_arena *arena, struct ff_fact **facts,
		      size_t *facts_len, struct ff_buf *note, struct ff_err *err)
{
	struct looking l = {0};
	int rc = read_lines(&l, text, len, arena);

	if (!rc && (!*l.version || !l.words.len))
		rc = complain(&l, err);
	else if (!rc)
		rc = tell(&l, arena, facts, facts_len, note);
	if (rc == FF_ENOMEM)
		ff_err_set(err, rc, "%s", ff_err_text(rc));
	ff_buf_release(&l.words);
	ff_buf_release(&l.shown);
	ff_buf_release(&l.passed);
	return rc;
}

const struct ff_payload_probe ff_pytest_probe = {
	.command = probe_command,
	.read = probe_read,
};

/* Values in shell text: whatever they hold, a real shell must read them literally, wherever they
 * stand; what can't be written so is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "plan/plan.h"

/* As a user has them, and as nobody would have them. */
static const char *const values[] = {
	"7",
	"plain",
	"two words",
	"a   b",
	"a;echo pwn",
	"it's",
	"*",
	"$HOME",
	"$(echo pwn)",
	"`echo pwn`",
	"\"",
	"\\",
	"\\\\'",
	"'",
	"''",
	"a\nb",
	"#x",
	"~",
	"!",
	"{a,b}",
	"",
	"-n x",
	"x=5",
	"if",
	"&",
	"|cat",
	">out",
	"a\tb",
	"\\$x",
	"END x",
	"(",
	")",
	"$'x'",
	"\xc3\xa4 \xe2\x82\xac",
};

/* The shell text of the only unit of `run: TEMPLATE, matrix: {v: [VALUE]}`; a code of ff_plan_build
 * if it is refused. */
static int expand(const char *template, const char *value, struct ff_buf *out, struct ff_err *err)
{
	struct ff_config_axis axis = {.name = (char[]){"v"}};
	struct ff_plan_instance unit;
	struct ff_config_job *job;
	struct ff_config config;
	struct ff_plan plan;
	int rc;

	ff_config_init(&config);
	job = ff_config_add_job(&config, "a", "run");
	job->shell = ff_arena_strdup(&config.arena, template);
	assert_int_equal(ff_strv_add(&axis.values, value), 0);
	job->axes = &axis;
	job->axes_len = 1;
	rc = ff_plan_build(&plan, &config, NULL, NULL, err);
	if (!rc) {
		assert_int_equal(ff_plan_instance(&plan.jobs[0], 0, &plan.arena, &unit), 0);
		ff_buf_addstr(out, unit.job.shell);
		ff_plan_release(&plan);
	}
	ff_config_release(&config); /* the axis's values with it */
	return rc;
}

static void run(const char *shell, const char *text, struct ff_buf *printed)
{
	struct ff_buf command = FF_BUF_INIT;
	char chunk[4096];
	FILE *pipe;
	size_t len;

	ff_buf_addf(&command, "cd /; exec 2>&1; exec %s -c ", shell);
	ff_shell_quote(&command, text);
	pipe = popen(ff_buf_str(&command), "r");
	assert_non_null(pipe);
	while ((len = fread(chunk, 1, sizeof(chunk), pipe)))
		ff_buf_add(printed, chunk, len);
	pclose(pipe);
	ff_buf_release(&command);
}

/* What the text prints with each value, where "@" stands for the value, in each shell there is. */
static void prints(const char *template, const char *expected)
{
	static const char *const shells[] = {"/bin/sh", "/bin/bash", "/bin/dash"};
	struct ff_buf texts = FF_BUF_INIT, wanted = FF_BUF_INIT;

	/* One process for all of them: each text in a subshell. */
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct ff_err err = {0};

		ff_buf_addstr(&texts, "(\n");
		if (expand(template, values[i], &texts, &err))
			fail_msg("%s", err.text);
		ff_buf_addstr(&texts, "\n)\necho ' --'\n");
		for (const char *p = expected; *p; p++) {
			if (*p == '@')
				ff_buf_addstr(&wanted, values[i]);
			else
				ff_buf_addch(&wanted, *p);
		}
		ff_buf_addstr(&wanted, " --\n");
	}
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		struct ff_buf printed = FF_BUF_INIT;

		if (access(shells[i], X_OK))
			continue;
		run(shells[i], ff_buf_str(&texts), &printed);
		if (strcmp(ff_buf_str(&printed), ff_buf_str(&wanted)))
			fail_msg("%s: %s\nprints: %s\nnot: %s", shells[i], template,
				 ff_buf_str(&printed), ff_buf_str(&wanted));
		ff_buf_release(&printed);
	}
	ff_buf_release(&texts);
	ff_buf_release(&wanted);
}

static void test_words(void **state)
{
	prints("printf '<%s>' {v} b", "<@><b>");
	prints("printf '<%s>' a{v}b{v}", "<a@b@>");
	prints("x={v}; printf %s \"$x\"", "@");
	prints("printf %s {v}>&1", "@");
	prints("f() { printf '<%s>' \"$@\"; }; f {v} c", "<@><c>");
	prints("(printf %s {v})", "@");
	prints("case {v} in zzz) echo no;; *) printf %s {v};; esac", "@");
	prints("for i in {v}; do printf '<%s>' \"$i\"; done", "<@>");
	prints("# it's a comment of {v}, not\nprintf %s {v}", "@");
	prints("printf %s {v} # it's {v} \"", "@");
	prints("printf %s a#{v}", "a#@");
	prints("printf %s $#{v}", "0@");
	prints("printf %s \\\n{v}", "@");
	prints("printf '%s' \\'{v}\\'", "'@'");
	prints("printf %s \\\\{v}", "\\@");
	prints("printf %s \\{v}", "{v}");
	prints("printf %s {{v}} {v}", "{v}@");
	prints("printf %s ${#}{v}", "0@");
	prints("printf %s $(echo x)#{v}", "x#@");
	prints("echo 'x{y}' | { cat; printf %s {v}; }", "x{y}\n@");
}

static void test_quotes(void **state)
{
	prints("printf %s '{v}'", "@");
	prints("printf %s 'a{v}b{v}'", "a@b@");
	prints("printf %s \"{v}\"", "@");
	prints("printf %s \"a {v} it's {v}\"", "a @ it's @");
	prints("printf %s \"\\\"{v}\\\"\"", "\"@\"");
	prints("printf %s \"a\\\\{v}\"", "a\\@");
	prints("printf %s \"a\\{v}\"", "a\\@");
	prints("printf %s 'a'\"'\"'{v}'", "a'@");
	prints("printf %s \"$\"{v}", "$@");
	prints("printf %s '$'{v}", "$@");
}

static void test_substitutions(void **state)
{
	/* The x keeps newlines from being cut off at the end. */
	prints("printf %s $(printf %s \"{v}\"x) >/dev/null; printf %s {v}", "@");
	prints("printf %s \"$(printf %s {v}; echo x)\"", "@x");
	prints("printf %s \"$(printf %s \"{v}\"; echo x)\"", "@x");
	prints("printf %s \"$(printf %s '{v}'; (echo x))\"{v}", "@x@");
	prints("printf %s \"a$(# it's\nprintf %s {v}; echo x)\"", "a@x");
	prints("printf %s \"$((1 + (2) * 3))\"{v}", "7@");
	prints("printf %s $((1 << 2)){v}", "4@");
	prints("printf %s \"${HOME:+a}\"{v}", "a@");
	prints("printf %s \"${HOME:+\"a b\"}\"{v}", "a b@");
	prints("printf %s `echo \"it's\"`{v}", "it's@");
}

static void test_here_documents(void **state)
{
	prints("cat <<END\na {v} \"{v}\" it's\nEND\nprintf %s {v}", "a @ \"@\" it's\n@");
	prints("cat <<'END'\na {v} $x `y` \\\nEND\nprintf %s {v}", "a @ $x `y` \\\n@");
	prints("cat <<-\"END\"\n\t|{v}\n\tEND\nprintf %s {v}", "|@\n@");
	prints("cat <<A; cat <<\\B\n{v}.\nA\n{v}$x\nB\nprintf %s '{v}'", "@.\n@$x\n@");
	prints("cat <<END | cat\n\\\\{v} $(printf %s {v}; echo x)\nEND\nprintf %s {v}",
	       "\\@ @x\n@");
	prints("printf %s $((1 << 2)); printf %s {v}", "4@");
}

static void test_safe_values_stay_bare(void **state)
{
	static const struct {
		const char *template, *value, *text;
	} cases[] = {
		{"x {v}", "10", "x 10"},
		{"x {v}", "a/b-c_d.e:f@g%h+", "x a/b-c_d.e:f@g%h+"},
		{"x {v}>y", "2", "x '2'>y"},
		{"x {v}", "a=b", "x 'a=b'"},
		{"{v} x", "while", "'while' x"},
		{"x {v}", "", "x ''"},
		{"x \"{v}\"", "", "x \"\""},
		{"x $(({v} * {v}))", "3", "x $((3 * 3))"},
		{"((i << {v})) && x {v}", "3", "((i << 3)) && x 3"},
		{"x `y {v}`", "a.b", "x `y a.b`"},
		{"x ${y:-{v}}", "a.b", "x ${y:-a.b}"},
		{"x {v:raw}", "a; b 'c d'", "x a; b 'c d'"},
		{"x {v:raw} {v}", "\"", "x \" \\\""},
		{"{ x; } {y} ${v} $v {v", "1", "{ x; } {y} ${v} $v {v"},
		{"awk '{print} {next} {v}'", "1", "awk '{print} {next} 1'"},
		{"x {{v}} {{{v}}} {{v:raw}}", "1", "x {v} {{v}} {v:raw}"},
		{"docker ps --format '{{.Names}}' {v}", "1", "docker ps --format '{{.Names}}' 1"},
		{"x {} {,} {a,b} {1..3} {v}", "1", "x {} {,} {a,b} {1..3} 1"},
		{"x '{\"v\": {v}, \"w\": {}}'", "1", "x '{\"v\": 1, \"w\": {}}'"},
		/* Where it can't be told any more what is quoted, what needs no quotes goes. */
		{"x $(case a in a) echo ')';; esac) {v}", "1",
		 "x $(case a in a) echo ')';; esac) 1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_buf text = FF_BUF_INIT;
		struct ff_err err;

		if (expand(cases[i].template, cases[i].value, &text, &err))
			fail_msg("%s: %s", cases[i].template, err.text);
		assert_string_equal(ff_buf_str(&text), cases[i].text);
		ff_buf_release(&text);
	}
}

static void test_what_cannot_be_quoted(void **state)
{
	static const char *const templates[] = {
		"x $(({v}))",
		"x \"$(({v}))\"",
		"(({v}))",
		"x `echo {v}`",
		"x \"`echo '{v}'`\"",
		"x ${y:-{v}}",
		"x \"${y:-\"{v}\"}\"",
		"x $'{v}'",
		"cat <<{v}\n",
		"x $(case a in a) echo ')';; esac) {v}",
		"x \"${y:-'}\" {v}",
	};
	struct ff_buf text = FF_BUF_INIT;
	struct ff_err err;

	for (size_t i = 0; i < sizeof(templates) / sizeof(*templates); i++) {
		if (expand(templates[i], "a b", &text, &err) != FF_ECONFIG)
			fail_msg("%s", templates[i]);
		assert_string_equal(err.text,
				    "job 'a': the value 'a b' of {v} can't be quoted where it "
				    "stands in 'run' (in $((...)), ${...}, `...` or $'...'); "
				    "{v:raw} puts it there as it is");
	}
	assert_int_equal(expand("cat <<'END'\n{v}\nEND\n", "x\nEND", &text, &err), FF_ECONFIG);
	assert_string_equal(err.text, "job 'a': the value 'x?END' of {v} would end the here "
				      "document that it stands in");
	assert_int_equal(text.len, 0);
}

static void test_misspelt_placeholders(void **state)
{
	static const struct {
		const char *run, *message;
	} cases[] = {
		{"x {sise}",
		 "{sise}, which is nothing; did you mean {size}? ({{sise}} stands for the"
		 " text itself)"},
		{"x '{SIZE}'", "{SIZE}, which is nothing; did you mean {size}? ({{SIZE}} stands for"
			       " the text itself)"},
		{"x {siez:raw}", "{siez:raw}, which is nothing; did you mean {size}? ({{siez:raw}}"
				 " stands for the text itself)"},
		{"x {indx}", "{indx}, which is nothing; did you mean {index}? ({{indx}} stands for"
			     " the text itself)"},
		{"x {index}", "{index}, but there is no 'count'; {{index}} stands for the text"
			      " itself"},
		{"x { size }", "{ size }, which is written {size}"},
		{"x {size:rwa}", "{size:rwa}: there is {size}, and {size:raw} for a value that is"
				 " not quoted; {{size:rwa}} stands for the text itself"},
		{"x {size:04d}", "{size:04d}: there is {size}, and {size:raw} for a value that is"
				 " not quoted; {{size:04d}} stands for the text itself"},
	};
	static const char *const fine[] = {
		"x ${sise} {{sise}} \\{sise} # {sise}",
		"x {other} {o} {s} {size, x} {size; }",
		"awk '{print} {next} {exit}'",
		"x { size; }",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases) + sizeof(fine) / sizeof(*fine); i++) {
		bool bad = i < sizeof(cases) / sizeof(*cases);
		const char *run = bad ? cases[i].run : fine[i - sizeof(cases) / sizeof(*cases)];
		struct ff_config_axis axis = {.name = (char[]){"size"}};
		struct ff_config_job *job;
		struct ff_config config;
		struct ff_plan plan;
		struct ff_err err = {0};
		int rc;

		ff_config_init(&config);
		job = ff_config_add_job(&config, "a", "run");
		job->shell = ff_arena_strdup(&config.arena, run);
		ff_strv_add(&axis.values, "1");
		job->axes = &axis;
		job->axes_len = 1;
		rc = ff_plan_build(&plan, &config, NULL, NULL, &err);
		if (bad) {
			char message[256];

			snprintf(message, sizeof(message), "job 'a': 'run' has %s",
				 cases[i].message);
			assert_int_equal(rc, FF_ECONFIG);
			assert_string_equal(err.text, message);
		} else {
			if (rc)
				fail_msg("%s: %s", run, err.text);
			ff_plan_release(&plan);
		}
		ff_config_release(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_substitutions),
		cmocka_unit_test(test_here_documents),
		cmocka_unit_test(test_safe_values_stay_bare),
		cmocka_unit_test(test_what_cannot_be_quoted),
		cmocka_unit_test(test_misspelt_placeholders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

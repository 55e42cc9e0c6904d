/* What is inside a test case of a JUnit report. */
#include "report/junit_case.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "report/xml.h"

enum { TEXT_PIECE = 4 << 10 }; /* of a long text, escaped at once */

/* A long text goes on to the spool while it is escaped. */
static void add_text(struct ff_spool *spool, const char *text, size_t len)
{
	while (len > 0) {
		size_t n = len < TEXT_PIECE ? len : TEXT_PIECE;

		/* Not within a character, which is four bytes at most. */
		for (int i = 0; i < 3 && n < len && ((unsigned char)text[n] & 0xc0) == 0x80; i++)
			n--;
		ff_xml_text(&spool->text, text, n, false);
		ff_spool_flush(spool);
		text += n;
		len -= n;
	}
}

/* What follows the element's name up to the name in its end tag. */
void ff_junit_problem_body(struct ff_spool *spool, const char *type, const char *message,
			   const char *text)
{
	struct ff_buf *out = &spool->text;

	if (type)
		ff_xml_attribute(out, "type", type);
	ff_xml_attribute(out, "message", message);
	ff_buf_addch(out, '>');
	if (text)
		add_text(spool, text, strlen(text));
	ff_buf_addstr(out, "</");
}

void ff_junit_problem(struct ff_spool *spool, const char *element, const char *type,
		      const char *message, const char *text)
{
	ff_buf_addf(&spool->text, "<%s", element);
	ff_junit_problem_body(spool, type, message, text);
	ff_buf_addf(&spool->text, "%s>", element);
}

void ff_junit_outcome(struct ff_spool *spool, const char *payload, const struct ff_result *result)
{
	bool pytest = !payload || strcmp(payload, "pytest") == 0;
	const char *element = "error", *type = ff_outcome_word(result->outcome);

	switch (result->outcome) {
	case FF_OUTCOME_FAILED:
		element = "failure";
		type = NULL;
		break;
	case FF_OUTCOME_ERROR:
		type = NULL;
		break;
	case FF_OUTCOME_SKIPPED:
		element = "skipped";
		if (result->phases_len > 0 && result->phases[0].step)
			type = "step";
		else
			type = pytest ? "pytest.skip" : NULL;
		break;
	case FF_OUTCOME_XFAILED:
		element = "skipped";
		type = pytest ? "pytest.xfail" : NULL;
		break;
	default:
		if (!ff_outcome_bad(result->outcome))
			return;
	}
	ff_junit_problem(spool, element, type, result->message, result->longrepr);
}

void ff_junit_reruns(struct ff_spool *spool, const struct ff_result *result, const char *element)
{
	for (size_t i = 0; i < result->phases_len; i++) {
		const struct ff_phase *phase = &result->phases[i];

		if (phase->rerun)
			ff_junit_problem(spool, element, ff_outcome_word(phase->outcome),
					 phase->message, phase->longrepr);
	}
}

static bool is_stderr(const struct ff_section *section)
{
	return section->title && strstr(section->title, "stderr");
}

/* Captured text goes to system-out or system-err, as its title says. */
void ff_junit_captured(struct ff_spool *spool, const struct ff_result *result, bool err)
{
	const char *element = err ? "system-err" : "system-out";
	struct ff_buf *out = &spool->text;
	bool any = false, line_ended = true;

	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];
		const char *title = section->title ? section->title : "output";

		if (is_stderr(section) != err || !section->text)
			continue;
		if (!any)
			ff_buf_addf(out, "<%s>", element);
		else if (!line_ended)
			ff_buf_addch(out, '\n');
		any = true;
		if (strchr(title, ' ')) {
			ff_buf_addstr(out, "--- ");
			ff_xml_text(out, title, strlen(title), false);
			ff_buf_addstr(out, " ---\n");
		}
		add_text(spool, section->text, section->len);
		line_ended = section->len > 0 && section->text[section->len - 1] == '\n';
	}
	if (any)
		ff_buf_addf(out, "</%s>", element);
}

void ff_junit_property(struct ff_buf *out, const char *name, const char *value)
{
	ff_buf_addstr(out, "<property");
	ff_xml_attribute(out, "name", name);
	ff_xml_attribute(out, "value", value);
	ff_buf_addstr(out, "/>");
}

void ff_junit_property_text(struct ff_buf *out, const char *text)
{
	size_t len = strcspn(text, "=");
	char *name = ff_xstrndup(text, len);

	ff_junit_property(out, name, text[len] ? text + len + 1 : "");
	ff_free(name);
}

void ff_junit_properties(struct ff_spool *spool, const struct ff_result *result, uint32_t before,
			 bool earlier)
{
	char attempts[16], memory[24];

	for (size_t i = 0; i < result->phases_len; i++)
		before += result->phases[i].rerun;
	if (ff_outcome_bad(result->outcome))
		before = 0;
	if (result->properties_len == 0 && before == 0 && result->memory_kib == 0 && !earlier)
		return;
	ff_buf_addstr(&spool->text, "<properties>");
	for (size_t i = 0; i < result->properties_len; i++)
		ff_junit_property(&spool->text, result->properties[i].name,
				  result->properties[i].value);
	if (before > 0) {
		snprintf(attempts, sizeof(attempts), "%u", before + 1);
		ff_junit_property(&spool->text, "farflung.flaky", "true");
		ff_junit_property(&spool->text, "farflung.attempts", attempts);
	}
	if (earlier)
		ff_junit_property(&spool->text, "farflung.earlier_run", "true");
	if (result->memory_kib > 0) {
		snprintf(memory, sizeof(memory), "%lld", (long long)result->memory_kib);
		ff_junit_property(&spool->text, "farflung.memory_kib", memory);
	}
	ff_buf_addstr(&spool->text, "</properties>");
}

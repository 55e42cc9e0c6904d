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

static bool within_character(const char *text, size_t at)
{
	return ((unsigned char)text[at] & 0xc0) == 0x80;
}

/* Of more than `max` bytes, its beginning and its end, and how much there was between. */
static void add_some(struct ff_spool *spool, struct ff_junit_form *form, const char *text,
		     size_t len, size_t max)
{
	size_t head = max / 2, tail = len - max / 2;

	if (len <= max) {
		form->texts += len;
		add_text(spool, text, len);
		return;
	}
	form->texts += max;
	for (int i = 0; i < 3 && head > 0 && within_character(text, head); i++)
		head--;
	for (int i = 0; i < 3 && tail < len && within_character(text, tail); i++)
		tail++;
	add_text(spool, text, head);
	ff_buf_addf(&spool->text, "\n[… %zu bytes were left out here …]\n", tail - head);
	add_text(spool, text + tail, len - tail);
}

/* What follows the element's name up to the name in its end tag. */
void ff_junit_problem_body(struct ff_spool *spool, struct ff_junit_form *form, const char *type,
			   const char *message, const char *text)
{
	size_t max = ff_junit_room(form, form->dialect->problem_max);
	struct ff_buf *out = &spool->text;

	if (type)
		ff_xml_attribute(out, "type", type);
	ff_xml_attribute(out, "message", message);
	ff_buf_addch(out, '>');
	if (form->dialect->text_alone && message && !(text && strstr(text, message))) {
		add_some(spool, form, message, strlen(message), max);
		if (text)
			ff_buf_addch(out, '\n');
	}
	if (text)
		add_some(spool, form, text, strlen(text), max);
	ff_buf_addstr(out, "</");
}

void ff_junit_problem(struct ff_spool *spool, struct ff_junit_form *form, const char *element,
		      const char *type, const char *message, const char *text)
{
	ff_buf_addf(&spool->text, "<%s", element);
	if (form->dialect->full && !type)
		type = element;
	ff_junit_problem_body(spool, form, type, message, text);
	ff_buf_addf(&spool->text, "%s>", element);
}

void ff_junit_outcome(struct ff_spool *spool, struct ff_junit_form *form, const char *payload,
		      const struct ff_result *result)
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
	ff_junit_problem(spool, form, element, type, result->message, result->longrepr);
}

void ff_junit_reruns(struct ff_spool *spool, struct ff_junit_form *form,
		     const struct ff_result *result, const char *element)
{
	for (size_t i = 0; i < result->phases_len; i++) {
		const struct ff_phase *phase = &result->phases[i];

		if (phase->rerun)
			ff_junit_problem(spool, form, element, ff_outcome_word(phase->outcome),
					 phase->message, phase->longrepr);
	}
}

static bool is_stderr(const struct ff_section *section)
{
	return section->title && strstr(section->title, "stderr");
}

/* How much of each of its texts a stream of the case may have. */
static size_t room_for_each(const struct ff_junit_form *form, const struct ff_result *result,
			    bool err)
{
	bool bad = ff_outcome_bad(result->outcome);
	size_t max = ff_junit_room(form, bad ? form->dialect->bad_max : form->dialect->good_max);
	size_t len = 0, count = 0;

	for (size_t i = 0; i < result->sections_len; i++) {
		if (is_stderr(&result->sections[i]) != err || !result->sections[i].text)
			continue;
		len += result->sections[i].len;
		count++;
	}
	return len <= max ? SIZE_MAX : max / count;
}

/* Captured text goes to system-out or system-err, as its title says. */
void ff_junit_captured(struct ff_spool *spool, struct ff_junit_form *form,
		       const struct ff_result *result, const struct ff_buf *lines)
{
	const char *element = lines ? "system-out" : "system-err";
	bool any = lines && lines->len > 0, line_ended = true;
	size_t max = room_for_each(form, result, !lines);
	struct ff_buf *out = &spool->text;

	if (any) {
		ff_buf_addf(out, "<%s>", element);
		ff_xml_text(out, (const char *)ff_buf_data(lines), lines->len, false);
	}
	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];
		const char *title = section->title ? section->title : "output";

		if (is_stderr(section) != !lines || !section->text ||
		    (form->dialect->good_silent && !ff_outcome_bad(result->outcome)))
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
		add_some(spool, form, section->text, section->len, max);
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

/* A line is one, whatever the value. */
static void property_line(struct ff_buf *lines, const char *name, const char *value)
{
	size_t from = lines->len;

	ff_buf_addf(lines, "[[PROPERTY|%s=%s]]", name, value ? value : "");
	for (size_t i = from; i < lines->len; i++)
		if (ff_buf_data(lines)[i] == '\n' || ff_buf_data(lines)[i] == '\r')
			ff_buf_data(lines)[i] = ' ';
	ff_buf_addch(lines, '\n');
}

static uint32_t attempts_before(const struct ff_case *c)
{
	uint32_t before = c->attempts;

	for (size_t i = 0; i < c->result->phases_len; i++)
		before += c->result->phases[i].rerun;
	return ff_outcome_bad(c->result->outcome) ? 0 : before;
}

void ff_junit_properties(struct ff_spool *spool, struct ff_buf *lines, const struct ff_case *c)
{
	void (*add)(struct ff_buf * out, const char *name, const char *value) =
		lines ? property_line : ff_junit_property;
	struct ff_buf *out = lines ? lines : &spool->text;
	const struct ff_result *result = c->result;
	uint32_t before = attempts_before(c);
	char attempts[16], memory[24];

	if (result->properties_len == 0 && before == 0 && result->memory_kib == 0 && !c->earlier)
		return;
	if (!lines)
		ff_buf_addstr(out, "<properties>");
	for (size_t i = 0; i < result->properties_len; i++)
		add(out, result->properties[i].name, result->properties[i].value);
	if (before > 0) {
		snprintf(attempts, sizeof(attempts), "%u", before + 1);
		add(out, "farflung.flaky", "true");
		add(out, "farflung.attempts", attempts);
	}
	if (c->earlier)
		add(out, "farflung.earlier_run", "true");
	if (result->memory_kib > 0) {
		snprintf(memory, sizeof(memory), "%lld", (long long)result->memory_kib);
		add(out, "farflung.memory_kib", memory);
	}
	if (!lines)
		ff_buf_addstr(out, "</properties>");
}

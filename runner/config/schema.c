/* A JSON schema of the file, written from the table of options, for editors and for tests of
 * examples. It says less than the reader does: what depends on other keys it does not know. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/options.h"

/* What a generic YAML reader may make of a text. */
#define TEXT	  "{\"$ref\": \"#/definitions/text\"}"
#define TEXT_LIST "{\"type\": \"array\", \"items\": " TEXT "}"
#define SECRET	  "{\"$ref\": \"#/definitions/secret\"}"
#define ENV_VALUE "{\"$ref\": \"#/definitions/environment\"}" /* ${env:NAME} instead of a value */
#define HIDDEN	  "\"patternProperties\": {\"^(x-|\\\\.)\": true}"
#define NAME	  "\"propertyNames\": {\"pattern\": \"^[A-Za-z_][A-Za-z0-9_]*$\"}"

static const char definitions[] =
	"    \"text\": {\"type\": [\"string\", \"number\", \"boolean\"]},\n"
	"    \"environment\": {\"type\": \"string\", \"pattern\": \"\\\\$\\\\{env:[A-Za-z_]\"},\n"
	"    \"secret\": {\n"
	"      \"type\": \"object\",\n"
	"      \"properties\": {\"secret\": {\"type\": \"string\", \"pattern\": "
	"\"^(env|file|cmd):.\"}},\n"
	"      \"required\": [\"secret\"],\n"
	"      \"additionalProperties\": false\n"
	"    },\n";

static void add_string(struct ff_buf *out, const char *text)
{
	ff_buf_addch(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			ff_buf_addch(out, '\\');
		ff_buf_addch(out, *text);
	}
	ff_buf_addch(out, '"');
}

/* "inventory.hosts[]" is host: as the table's own names are. */
static void add_section_name(struct ff_buf *out, enum ff_config_section section)
{
	static const char *const names[] = {
#define X(name, where, what) [FF_SECTION_##name] = #name,
		FF_SECTION_MAP(X)
#undef X
	};

	for (const char *at = names[section]; *at; at++)
		ff_buf_addch(out, (char)tolower((unsigned char)*at));
}

static void add_reference(struct ff_buf *out, enum ff_config_section section)
{
	ff_buf_addstr(out, "{\"$ref\": \"#/definitions/");
	add_section_name(out, section);
	ff_buf_addstr(out, "\"}");
}

/* "auto or off" as an enum; `off` is a boolean to some readers, and 1 a number to all. */
static void add_enum(struct ff_buf *out, const char *choices)
{
	const char *separator = "";

	ff_buf_addstr(out, "\"enum\": [");
	while (*choices) {
		size_t len = strcspn(choices, ", ");
		bool is_or = len == 2 && !strncmp(choices, "or", 2);

		if (len && !is_or) {
			ff_buf_addf(out, "%s\"%.*s\"", separator, (int)len, choices);
			separator = ", ";
			if (strspn(choices, "0123456789") == len)
				ff_buf_addf(out, ", %.*s", (int)len, choices);
			if (len == 3 && !strncmp(choices, "off", 3))
				ff_buf_addstr(out, ", false");
		}
		choices += len + strspn(choices + len, ", ");
	}
	ff_buf_addch(out, ']');
}

static void add_choices(struct ff_buf *out, const char *choices)
{
	ff_buf_addch(out, '{');
	add_enum(out, choices);
	ff_buf_addch(out, '}');
}

static void add_number(struct ff_buf *out, const struct ff_config_option *option)
{
	ff_buf_addf(out, "{\"type\": \"integer\", \"minimum\": %lld, \"maximum\": %lld}",
		    (long long)option->min, (long long)option->max);
}

/* Scalars: what has the type anyway, or text that can be read as one. */
static bool add_scalar(struct ff_buf *out, const struct ff_config_option *option)
{
	switch (option->type) {
	case FF_TYPE_TEXT:
	case FF_TYPE_PATH:
	case FF_TYPE_FOLDER:
	case FF_TYPE_TEMPLATE:
	case FF_TYPE_LINKS:
		ff_buf_addstr(out, TEXT);
		return true;
	case FF_TYPE_SECRET_TEXT:
		ff_buf_addstr(out, TEXT ", " SECRET);
		return true;
	case FF_TYPE_NUMBER:
	case FF_TYPE_NUMBER_OR_ALL:
	case FF_TYPE_NUMBER_TEXT:
		add_number(out, option);
		ff_buf_addstr(out, option->type == FF_TYPE_NUMBER_OR_ALL
					   ? ", {\"type\": \"string\", \"pattern\": "
					     "\"^([-+]?[0-9]+|all)$\"}"
					   : ", {\"type\": \"string\", \"pattern\": "
					     "\"^[-+]?[0-9]+$\"}");
		return true;
	case FF_TYPE_BOOLEAN:
		ff_buf_addstr(out, "{\"type\": \"boolean\"}, {\"type\": \"string\", \"pattern\": "
				   "\"^([Tt]rue|[Ff]alse|[Yy]es|[Nn]o|[Oo]n|[Oo]ff)$\"}");
		return true;
	case FF_TYPE_DURATION:
		ff_buf_addstr(out, "{\"type\": \"number\", \"minimum\": 0}, {\"type\": \"string\", "
				   "\"pattern\": \"^([0-9]+([.][0-9]+)?[A-Za-z]*)+$\"}");
		return true;
	case FF_TYPE_LIMIT:
		ff_buf_addstr(out,
			      "{\"type\": \"number\", \"minimum\": 0}, {\"type\": \"string\", "
			      "\"pattern\": \"^(([0-9]+([.][0-9]+)?[A-Za-z]*)+|[0-9.]+ *%)$\"}");
		return true;
	case FF_TYPE_SIZE:
		ff_buf_addstr(out,
			      "{\"type\": \"integer\", \"minimum\": 1}, {\"type\": \"string\", "
			      "\"pattern\": \"^[0-9]+([.][0-9]+)?[A-Za-z]*$\"}");
		return true;
	case FF_TYPE_MEMORY:
		ff_buf_addstr(out,
			      "{\"type\": \"integer\", \"minimum\": 1048576}, {\"enum\": "
			      "[\"auto\", \"off\", false]}, {\"type\": \"string\", \"pattern\": "
			      "\"^[0-9]+([.][0-9]+)?([A-Za-z]*|%)$\"}");
		return true;
	case FF_TYPE_CPU:
		ff_buf_addstr(out,
			      "{\"type\": \"number\", \"minimum\": 0.01, \"maximum\": 1000}, "
			      "{\"type\": \"string\", \"pattern\": \"^[0-9]+([.][0-9]+)?%?$\"}");
		return true;
	case FF_TYPE_CHOICE:
		add_choices(out, option->choices);
		return true;
	default:
		return false;
	}
}

static void add_reports(struct ff_buf *out, const struct ff_config_note *reports)
{
	ff_buf_addstr(out, "{\"type\": \"object\", \"additionalProperties\": false, "
			   "\"properties\": {");
	for (const char *separator = ""; reports && reports->key; reports++, separator = ", ") {
		ff_buf_addstr(out, separator);
		add_string(out, reports->key);
		ff_buf_addstr(out, ": {");
		if (reports->choices)
			add_enum(out, reports->choices);
		else
			ff_buf_addstr(out, "\"type\": \"string\", \"minLength\": 1");
		ff_buf_addstr(out, ", \"description\": ");
		add_string(out, reports->help);
		ff_buf_addstr(out, "}");
	}
	ff_buf_addstr(out, "}}");
}

static void add_mapping(struct ff_buf *out, const char *names, const char *values)
{
	ff_buf_addf(out, "{\"type\": \"object\", %s%s\"additionalProperties\": {\"anyOf\": [%s]}}",
		    names, *names ? ", " : "", values);
}

static void add_jobs(struct ff_buf *out)
{
	ff_buf_addstr(out, "{\"type\": \"object\", " HIDDEN ", \"additionalProperties\": ");
	add_reference(out, FF_SECTION_JOB);
	ff_buf_addstr(out, "}");
}

static void add_profiles(struct ff_buf *out)
{
	ff_buf_addstr(
		out, "{\"type\": \"object\", \"additionalProperties\": {\"allOf\": [{\"$ref\": "
		     "\"#\"}, {\"not\": {\"anyOf\": [{\"required\": [\"include\"]}, {\"required\": "
		     "[\"profiles\"]}, {\"required\": [\"version\"]}]}}]}}");
}

static void add_list(struct ff_buf *out, const char *rest)
{
	ff_buf_addf(out, "{\"type\": \"array\", %s\"items\": ", rest);
}

/* Of `notify` and what stands below it; false: it is of none of these types. */
static bool add_notify(struct ff_buf *out, const struct ff_config_option *option)
{
	switch (option->type) {
	case FF_TYPE_NAMED:
		add_mapping(out, "", TEXT ", " SECRET);
		return true;
	case FF_TYPE_WHENS:
		add_choices(out, option->choices);
		ff_buf_addstr(out, ", ");
		add_list(out, "\"minItems\": 1, ");
		add_choices(out, option->choices);
		break;
	case FF_TYPE_RECEIVERS:
		add_list(out, "");
		add_reference(out, option->child);
		break;
	default:
		return false;
	}
	ff_buf_addch(out, '}');
	return true;
}

/* What of it may stand there, in a list of anyOf; `true` for a type that is not known here. */
static void add_value(struct ff_buf *out, const struct ff_config_option *option,
		      const struct ff_config_note *reports)
{
	if (add_scalar(out, option) || add_notify(out, option))
		return;
	switch (option->type) {
	case FF_TYPE_TEXTS:
	case FF_TYPE_EXCLUDE:
	case FF_TYPE_EXCLUDE_FROM:
		ff_buf_addstr(out, TEXT ", " TEXT_LIST);
		break;
	case FF_TYPE_WORDS:
		ff_buf_addstr(out, "{\"type\": \"null\"}, " TEXT ", " TEXT_LIST);
		break;
	case FF_TYPE_COMMAND:
		ff_buf_addstr(out,
			      TEXT ", {\"type\": \"array\", \"minItems\": 1, \"items\": " TEXT "}");
		break;
	case FF_TYPE_ENV:
		add_mapping(out, "", "{\"type\": \"null\"}, " TEXT ", " SECRET);
		break;
	case FF_TYPE_GROUPS:
		add_mapping(out, "", TEXT ", " TEXT_LIST);
		break;
	case FF_TYPE_VARS:
		add_mapping(out, NAME, "{\"type\": \"null\"}, " TEXT ", " SECRET);
		break;
	case FF_TYPE_MATRIX:
		ff_buf_addstr(out, "{\"type\": \"object\"}"); /* axes, rows, include, exclude */
		break;
	case FF_TYPE_POOLS:
	case FF_TYPE_USES:
		ff_buf_addstr(out, "{\"type\": \"object\", \"additionalProperties\": ");
		add_number(out, option);
		ff_buf_addstr(out, "}");
		break;
	case FF_TYPE_REPORTS:
		add_reports(out, reports);
		break;
	case FF_TYPE_HOSTS:
		ff_buf_addstr(out, "{\"type\": \"array\", \"items\": {\"anyOf\": [" TEXT ", ");
		add_reference(out, FF_SECTION_HOST);
		ff_buf_addstr(out, "]}}");
		break;
	case FF_TYPE_JOBS:
		add_jobs(out);
		break;
	case FF_TYPE_PROFILES:
		add_profiles(out);
		break;
	case FF_TYPE_OVERRIDES:
		ff_buf_addstr(out, "{\"type\": \"object\", \"additionalProperties\": ");
		add_reference(out, FF_SECTION_JOB);
		ff_buf_addstr(out, "}");
		break;
	case FF_TYPE_SECTION:
		add_reference(out, option->child);
		if (ff_section_short(option->child)) {
			ff_buf_addstr(out, ", ");
			add_value(out, ff_section_short(option->child), reports);
		}
		break;
	default:
		ff_buf_addstr(out, "true");
		break;
	}
}

static void add_property(struct ff_buf *out, const struct ff_config_option *option,
			 const struct ff_config_note *reports, const char *indent)
{
	struct ff_buf probe = FF_BUF_INIT;
	bool text = option->type == FF_TYPE_TEXT || option->type == FF_TYPE_PATH ||
		    option->type == FF_TYPE_FOLDER || option->type == FF_TYPE_TEMPLATE ||
		    option->type == FF_TYPE_LINKS || option->type == FF_TYPE_SECRET_TEXT;

	ff_buf_addf(out, "%s", indent);
	add_string(out, option->key);
	ff_buf_addstr(out, ": {\"description\": ");
	add_string(out, option->help);
	if (option->fallback) {
		ff_buf_addstr(out, ", \"default\": ");
		add_string(out, option->fallback);
	}
	ff_buf_addstr(out, ", \"anyOf\": [");
	add_value(out, option, reports);
	if (option->type == FF_TYPE_NUMBER && option->child != FF_SECTION_TOP) {
		ff_buf_addstr(out, ", ");
		add_reference(out, option->child);
	}
	if (!text && add_scalar(&probe, option))
		ff_buf_addstr(out, ", " ENV_VALUE);
	ff_buf_addstr(out, "]}");
	ff_buf_release(&probe);
}

static void add_section(struct ff_buf *out, enum ff_config_section section,
			const struct ff_config_note *reports, const char *indent)
{
	const char *separator = "";

	ff_buf_addf(out,
		    "%s\"type\": \"object\",\n%s" HIDDEN ",\n%s\"additionalProperties\": false",
		    indent, indent, indent);
	/* Only what can't come from another file or profile. */
	if (section == FF_SECTION_HOST)
		ff_buf_addf(out, ",\n%s\"required\": [\"spec\"]", indent);
	ff_buf_addf(out, ",\n%s\"properties\": {\n", indent);
	for (const struct ff_config_option *option = ff_config_options; option->key; option++) {
		char deeper[16];

		if (option->section != section)
			continue;
		snprintf(deeper, sizeof(deeper), "%s  ", indent);
		ff_buf_addstr(out, separator);
		add_property(out, option, reports, deeper);
		separator = ",\n";
	}
	ff_buf_addf(out, "\n%s}", indent);
}

int ff_config_schema(struct ff_buf *out, const struct ff_config_note *reports)
{
	ff_buf_addstr(out, "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
			   "  \"title\": \"farflung.yaml\",\n");
	add_section(out, FF_SECTION_TOP, reports, "  ");
	ff_buf_addstr(out, ",\n  \"definitions\": {\n");
	ff_buf_addstr(out, definitions);
	for (int section = FF_SECTION_TOP + 1; section < FF_SECTIONS; section++) {
		ff_buf_addstr(out, "    \"");
		add_section_name(out, (enum ff_config_section)section);
		ff_buf_addstr(out, "\": {\n");
		add_section(out, (enum ff_config_section)section, reports, "      ");
		ff_buf_addf(out, "\n    }%s\n", section + 1 < FF_SECTIONS ? "," : "");
	}
	return ff_buf_addstr(out, "  }\n}\n");
}

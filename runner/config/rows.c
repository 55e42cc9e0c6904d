/* Rows from text: CSV as RFC 4180 has it (with tabs: TSV), JSON, JSON lines, plain lines. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "config/mistakes.h"
#include "config/table.h"

struct rows {
	struct ff_config *config;
	struct ff_config_table *table;
	struct ff_mistakes *problems;
	const char *name; /* of the source */
	struct ff_place at;
};

static const struct ff_place *at(struct rows *r, int line, int column)
{
	r->at = (struct ff_place){r->name, line, column};
	return &r->at;
}

bool ff_rows_is_name(const char *name)
{
	return *name && (*name < '0' || *name > '9') &&
	       !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_")];
}

/* False: it is told what is wrong. */
static bool check_name(struct rows *r, const char *name, int line, int column)
{
	if (!*name)
		ff_mistakes_add(r->problems, at(r, line, column), "a column without a name");
	else if (!ff_rows_is_name(name) || !strcmp(name, "index"))
		ff_mistakes_add(r->problems, at(r, line, column),
				"'%s' can't name a column: letters, digits and '_', not 'index'",
				name);
	else if (r->table->columns >= FF_CONFIG_AXES_MAX)
		ff_mistakes_add(r->problems, at(r, line, column), "more than %d columns",
				FF_CONFIG_AXES_MAX);
	else
		return true;
	return false;
}

static void put(struct rows *r, uint32_t row, uint32_t column, const char *text, size_t len,
		int line)
{
	if (ff_config_table_set(r->table, row, column, text, len))
		ff_mistakes_add(r->problems, at(r, line, 1), "more than %d MiB of values",
				FF_CONFIG_TABLE_TEXT_MAX >> 20);
}

static int64_t add_row(struct rows *r, int line)
{
	int64_t row = ff_config_table_add_row(r->table);

	if (row < 0)
		ff_mistakes_add(r->problems, at(r, line, 1), "more than %d rows",
				FF_CONFIG_TABLE_ROWS_MAX);
	return row;
}

/* --- CSV --- */

struct csv {
	struct rows *rows;
	char *at, *end;
	char comma;
	int line, column; /* of `at` */
	bool header;
	uint32_t fields; /* of this record */
	int record_line;
	int64_t row;
	bool last; /* of the record */
};

/* The value in quotes at csv->at, in place; its quotes are taken out. */
static size_t read_quoted(struct csv *csv, char **value)
{
	int line = csv->line, column = csv->column;
	char *to = csv->at, *from = csv->at + 1;

	*value = to;
	for (csv->column++; from < csv->end; from++, csv->column++) {
		if (*from == '"' && (from + 1 == csv->end || from[1] != '"'))
			break;
		if (*from == '"') {
			from++;
			csv->column++;
		} else if (*from == '\n') {
			csv->line++;
			csv->column = 0;
		}
		*to++ = *from;
	}
	if (from == csv->end) {
		ff_mistakes_add(csv->rows->problems, at(csv->rows, line, column),
				"a quote that is never closed");
		csv->at = csv->end;
	} else {
		csv->at = from + 1;
		csv->column++;
	}
	return (size_t)(to - *value);
}

static size_t read_plain(struct csv *csv, char **value)
{
	const char *quote;
	size_t len = 0;

	*value = csv->at;
	while (csv->at + len < csv->end && csv->at[len] != csv->comma && csv->at[len] != '\n')
		len++;
	csv->at += len;
	if (len && (csv->at == csv->end || *csv->at == '\n') && (*value)[len - 1] == '\r')
		len--;
	quote = memchr(*value, '"', len);
	if (quote && csv->comma == ',')
		ff_mistakes_add(csv->rows->problems,
				at(csv->rows, csv->line, csv->column + (int)(quote - *value)),
				"a quote inside of a value that has none around it");
	csv->column += (int)len;
	return len;
}

static void read_field(struct csv *csv)
{
	struct rows *r = csv->rows;
	int line = csv->line, column = csv->column;
	bool quoted = csv->at < csv->end && *csv->at == '"' && csv->comma == ',';
	char *value, ended;
	size_t len = quoted ? read_quoted(csv, &value) : read_plain(csv, &value);

	if (csv->at + 1 < csv->end && csv->at[0] == '\r' && csv->at[1] == '\n')
		csv->at++;
	if (csv->at < csv->end && *csv->at != csv->comma && *csv->at != '\n') {
		char *rest;

		ff_mistakes_add(r->problems, at(r, csv->line, csv->column),
				"text behind a value's closing quote");
		read_plain(csv, &rest);
	}
	csv->last = csv->at == csv->end || *csv->at == '\n';
	ended = csv->at < csv->end ? *csv->at : '\0';
	if (csv->header) {
		value[len] = '\0'; /* over what ended it, at the latest */
		if (check_name(r, value, line, column)) {
			if (ff_config_table_find(r->table, value) < r->table->columns)
				ff_mistakes_add(r->problems, at(r, line, column),
						"two columns are called '%s'", value);
			else
				ff_config_table_add_column(r->config, r->table, value);
		}
	} else if (csv->row >= 0 && csv->fields < r->table->columns) {
		put(r, (uint32_t)csv->row, csv->fields, value, len, line);
	}
	csv->fields++;
	csv->at += csv->at < csv->end;
	csv->column++;
	if (ended == '\n') {
		csv->line++;
		csv->column = 1;
	}
}

static bool skip_blank_line(struct csv *csv)
{
	char *at = csv->at + (csv->at < csv->end && *csv->at == '\r');

	if (at < csv->end && *at != '\n')
		return false;
	csv->at = at + (at < csv->end);
	csv->line++;
	return true;
}

static void parse_csv(struct rows *r, char comma, char *text, size_t len)
{
	struct csv csv = {.rows = r, .at = text, .end = text + len, .comma = comma};
	size_t before;

	csv.line = csv.column = 1;
	csv.header = true;
	while (csv.at < csv.end && !ff_mistakes_full(r->problems)) {
		if (skip_blank_line(&csv))
			continue;
		before = r->problems->total;
		csv.record_line = csv.line;
		csv.fields = 0;
		csv.row = csv.header ? 0 : add_row(r, csv.line);
		do {
			read_field(&csv);
		} while (!csv.last);
		if (csv.header && r->problems->total > before)
			return; /* what else there is would be wrong by that alone */
		if (!csv.header && csv.fields != r->table->columns && r->problems->total == before)
			ff_mistakes_add(r->problems, at(r, csv.record_line, 1),
					"%u value%s, but the first line names %u column%s",
					csv.fields, csv.fields == 1 ? "" : "s", r->table->columns,
					r->table->columns == 1 ? "" : "s");
		csv.header = false;
	}
}

/* --- JSON --- */

static const char *real_text(double number, char *text, size_t size)
{
	for (int digits = 15; digits <= 17; digits++) {
		double again;

		snprintf(text, size, "%.*g", digits, number);
		if (sscanf(text, "%lf", &again) == 1 && !(again < number) && !(again > number))
			break;
	}
	return text;
}

/* NULL: it is no single value. */
static const char *json_text(const json_t *value, char *room, size_t size)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_value(value);
	case JSON_INTEGER:
		snprintf(room, size, "%lld", (long long)json_integer_value(value));
		return room;
	case JSON_REAL:
		return real_text(json_real_value(value), room, size);
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return NULL;
	}
}

/* `what`: "" or "element 3: ", where there is no line of its own. */
static void add_object(struct rows *r, json_t *object, int line, const char *what)
{
	int64_t row;
	const char *key;
	json_t *value;

	if (!json_is_object(object)) {
		ff_mistakes_add(r->problems, at(r, line, 1), "%swants an object", what);
		return;
	}
	row = add_row(r, line);
	json_object_foreach(object, key, value)
	{
		char room[64];
		const char *text = json_text(value, room, sizeof(room));
		uint32_t column = ff_config_table_find(r->table, key);

		if (column == r->table->columns) {
			if (!check_name(r, key, line, 1))
				continue;
			column = ff_config_table_add_column(r->config, r->table, key);
		}
		if (text && row >= 0)
			put(r, (uint32_t)row, column, text, strlen(text), line);
		else if (!json_is_null(value))
			ff_mistakes_add(r->problems, at(r, line, 1),
					"%s'%s' wants text, a number or a boolean", what, key);
	}
}

static void complain_json(struct rows *r, const json_error_t *error, int line)
{
	ff_mistakes_add(r->problems,
			at(r, error->line > 0 ? line + error->line - 1 : line,
			   error->column > 0 ? error->column : 1),
			"%s", error->text);
}

static void parse_json(struct rows *r, const char *text, size_t len)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error), *element;
	size_t i;

	if (!root) {
		complain_json(r, &error, 1);
		return;
	}
	if (!json_is_array(root))
		ff_mistakes_add(r->problems, at(r, 1, 1), "wants a list of objects");
	json_array_foreach(root, i, element)
	{
		char what[40];

		snprintf(what, sizeof(what), "element %zu: ", i + 1);
		if (!ff_mistakes_full(r->problems))
			add_object(r, element, 1, what);
	}
	json_decref(root);
}

/* The line at `text`, its end left out; moves past it. */
static size_t take_line(char **text, const char *end)
{
	char *newline = memchr(*text, '\n', (size_t)(end - *text));
	size_t len = (size_t)((newline ? newline : end) - *text);

	*text += len + (newline != NULL);
	if (len && (newline ? newline[-1] : end[-1]) == '\r')
		len--;
	return len;
}

static void parse_json_lines(struct rows *r, char *text, size_t len)
{
	char *next = text, *end = text + len;

	for (int line = 1; next < end && !ff_mistakes_full(r->problems); line++) {
		const char *start = next;
		size_t size = take_line(&next, end);
		json_error_t error;
		json_t *object;

		if (strspn(start, " \t") >= size)
			continue;
		object = json_loadb(start, size, JSON_REJECT_DUPLICATES, &error);
		if (object)
			add_object(r, object, line, "");
		else
			complain_json(r, &error, line);
		json_decref(object);
	}
}

/* --- lines --- */

/* Empty ones are none, as for xargs. */
static void parse_lines(struct rows *r, char *text, size_t len)
{
	char *next = text, *end = text + len;

	ff_config_table_add_column(r->config, r->table, "item");
	for (int line = 1; next < end && !ff_mistakes_full(r->problems); line++) {
		const char *start = next;
		size_t size = take_line(&next, end);
		int64_t row = size ? add_row(r, line) : -1;

		if (row >= 0)
			put(r, (uint32_t)row, 0, start, size, line);
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static enum ff_rows_format guess(const char *name, const char *text)
{
	static const struct {
		const char *end;
		enum ff_rows_format format;
	} ends[] = {{".csv", FF_ROWS_CSV},
		    {".tsv", FF_ROWS_TSV},
		    {".json", FF_ROWS_JSON},
		    {".jsonl", FF_ROWS_JSONL},
		    {".ndjson", FF_ROWS_JSONL}};

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (ends_with(name, ends[i].end))
			return ends[i].format;
	text += strspn(text, " \t\r\n");
	return *text == '[' ? FF_ROWS_JSON : *text == '{' ? FF_ROWS_JSONL : FF_ROWS_CSV;
}

/* The line of the first NUL, which no value may have; 0. */
static int line_of_nul(const char *text, size_t len)
{
	const char *nul = memchr(text, '\0', len);
	int line = 1;

	for (; nul && text < nul; text++)
		line += *text == '\n';
	return nul ? line : 0;
}

void ff_rows_parse(struct ff_config *config, struct ff_config_table *table,
		   enum ff_rows_format format, const char *name, char *text, size_t len,
		   struct ff_mistakes *problems)
{
	struct rows r = {.config = config, .table = table, .problems = problems, .name = name};
	size_t before = problems->total;
	int nul = line_of_nul(text, len);

	if (nul) {
		ff_mistakes_add(problems, at(&r, nul, 1), "a NUL byte");
		return;
	}
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	switch (format == FF_ROWS_GUESS ? guess(name, text) : format) {
	case FF_ROWS_TSV:
		parse_csv(&r, '\t', text, len);
		break;
	case FF_ROWS_JSON:
		parse_json(&r, text, len);
		break;
	case FF_ROWS_JSONL:
		parse_json_lines(&r, text, len);
		break;
	case FF_ROWS_LINES:
		parse_lines(&r, text, len);
		break;
	default:
		parse_csv(&r, ',', text, len);
	}
	if (!table->rows && problems->total == before)
		ff_mistakes_add(problems, at(&r, 0, 0), "there are no rows");
	ff_config_table_finish(table);
}

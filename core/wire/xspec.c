/* xspecs to structs. Knows the rules of the text, not what the transports make of it. */
#include "wire/xspec.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum {
	NICE_LIMIT = 999999999, /* the system cuts it to what it has, as for Python's os.nice */
	SLOTS_MIN = 1,
	SLOTS_MAX = 100000,
};

static char **member_of(struct ff_xspec *spec, const char *key)
{
#define X(name, member)                                                                            \
	if (strcmp(key, name) == 0)                                                                \
		return &spec->member;
	FF_XSPEC_KEYS(X)
#undef X
	return NULL;
}

static bool is_number(const char *text, long min, long max)
{
	const char *digits = text + (*text == '-');
	long number;

	if (!*digits || digits[strspn(digits, "0123456789")] || strlen(digits) > 9)
		return false;
	number = strtol(text, NULL, 10);
	return number >= min && number <= max;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* What is wrong with a key's value, in words; NULL if nothing is. */
static const char *complaint_about(const char *key, const char *value)
{
	static const char *const workers[] = {"native", "python", NULL};
	static const char *const execmodels[] = {"thread", "main_thread_only", "gevent", "eventlet",
						 NULL};

	if (strcmp(key, "nice") == 0 && !is_number(value, -NICE_LIMIT, NICE_LIMIT))
		return "must be a number";
	if (strcmp(key, "slots") == 0 && !is_number(value, SLOTS_MIN, SLOTS_MAX))
		return "must be a number from 1 to 100000";
	if (strcmp(key, "worker") == 0 && !is_one_of(value, workers))
		return "must be native or python";
	if (strcmp(key, "execmodel") == 0 && !is_one_of(value, execmodels))
		return "must be thread, main_thread_only, gevent or eventlet";
	return NULL;
}

/* Whether `entries` ("key" or "key=value" each) has `key`. */
static bool has_key(const struct ff_strv *entries, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < entries->len; i++) {
		const char *entry = entries->v[i];

		if (!strncmp(entry, key, len) && (!entry[len] || entry[len] == '='))
			return true;
	}
	return false;
}

static int bad(struct ff_err *err, const struct ff_xspec *spec, const char *what, const char *key)
{
	return ff_err_set(err, FF_EINVAL, "xspec '%s': %s '%s'", spec->text, what, key);
}

static int out_of_memory(struct ff_err *err, const struct ff_xspec *spec)
{
	return ff_err_set(err, FF_ENOMEM, "xspec '%s': %s", spec->text ? spec->text : "",
			  ff_err_text(FF_ENOMEM));
}

static int add_env(struct ff_xspec *spec, const char *key, const char *value, struct ff_err *err)
{
	const char *name = key + strlen("env:");

	if (!*name)
		return bad(err, spec, "no variable name in", key);
	if (!value)
		return bad(err, spec, "no value for", key);
	if (has_key(&spec->env, name))
		return bad(err, spec, "duplicate key", key);
	return ff_strv_addf(&spec->env, "%s=%s", name, value) ? out_of_memory(err, spec) : 0;
}

static int add_unknown(struct ff_xspec *spec, const char *key, const char *value,
		       struct ff_err *err)
{
	int rc;

	if (has_key(&spec->unknown, key))
		return bad(err, spec, "duplicate key", key);
	rc = value ? ff_strv_addf(&spec->unknown, "%s=%s", key, value)
		   : ff_strv_add(&spec->unknown, key);
	return rc ? out_of_memory(err, spec) : 0;
}

/* `value` NULL: a key without "=". */
static int add_part(struct ff_xspec *spec, const char *key, const char *value, struct ff_err *err)
{
	const char *complaint;
	char **member;

	if (!*key)
		return bad(err, spec, "empty key in", value ? value : "");
	if (*key == '_')
		return bad(err, spec, "key starts with an underscore:", key);
	if (strncmp(key, "env:", 4) == 0)
		return add_env(spec, key, value, err);
	member = member_of(spec, key);
	if (!member)
		return add_unknown(spec, key, value, err);
	if (*member)
		return bad(err, spec, "duplicate key", key);
	complaint = complaint_about(key, value ? value : "");
	if (complaint)
		return ff_err_set(err, FF_EINVAL, "xspec '%s': %s='%s' %s", spec->text, key,
				  value ? value : "", complaint);
	*member = ff_strdup(value ? value : "");
	return *member ? 0 : out_of_memory(err, spec);
}

/* Cuts `parts` in place. */
static int parse_parts(struct ff_xspec *spec, char *parts, struct ff_err *err)
{
	while (parts) {
		char *next = strstr(parts, "//"), *equals;
		int rc;

		if (next) {
			*next = '\0';
			next += 2;
		}
		if (!*parts)
			return ff_err_set(err, FF_EINVAL, "xspec '%s': empty part", spec->text);
		equals = strchr(parts, '=');
		if (equals)
			*equals++ = '\0';
		rc = add_part(spec, parts, equals, err);
		if (rc)
			return rc;
		parts = next;
	}
	return 0;
}

int ff_xspec_parse(struct ff_xspec *spec, const char *text, struct ff_err *err)
{
	struct ff_xspec parsed = {.text = ff_strdup(text)};
	char *parts = ff_strdup(text);
	int rc;

	if (!parsed.text || !parts)
		rc = out_of_memory(err, &parsed);
	else
		rc = parse_parts(&parsed, parts, err);
	ff_free(parts);
	if (rc)
		ff_xspec_release(&parsed);
	else
		*spec = parsed;
	return rc;
}

void ff_xspec_release(struct ff_xspec *spec)
{
	if (!spec)
		return;
	ff_free(spec->text);
#define X(name, member) ff_free(spec->member);
	FF_XSPEC_KEYS(X)
#undef X
	ff_strv_release(&spec->env);
	ff_strv_release(&spec->unknown);
	*spec = (struct ff_xspec){0};
}

struct ff_xspec *ff_xspec_new(const char *text, struct ff_err *err)
{
	struct ff_xspec *spec = ff_calloc(1, sizeof(*spec));

	if (!spec)
		ff_err_set(err, FF_ENOMEM, "xspec '%s': %s", text, ff_err_text(FF_ENOMEM));
	else if (ff_xspec_parse(spec, text, err) == 0)
		return spec;
	ff_free(spec);
	return NULL;
}

void ff_xspec_free(struct ff_xspec *spec)
{
	ff_xspec_release(spec);
	ff_free(spec);
}

const char *ff_xspec_get(const struct ff_xspec *spec, const char *key)
{
	char **member = member_of((struct ff_xspec *)spec, key);

	return member ? *member : NULL;
}

static bool copy_text(char **to, const char *from)
{
	*to = from ? ff_strdup(from) : NULL;
	return *to || !from;
}

int ff_xspec_copy(struct ff_xspec *to, const struct ff_xspec *from)
{
	struct ff_xspec copy = {0};
	bool ok = copy_text(&copy.text, from->text);

#define X(name, member) ok = ok && copy_text(&copy.member, from->member);
	FF_XSPEC_KEYS(X)
#undef X
	ok = ok && !ff_strv_add_all(&copy.env, from->env.v);
	ok = ok && !ff_strv_add_all(&copy.unknown, from->unknown.v);
	if (!ok) {
		ff_xspec_release(&copy);
		return FF_ENOMEM;
	}
	*to = copy;
	return 0;
}

int ff_xspec_set(struct ff_xspec *spec, const char *key, const char *value)
{
	char **member = member_of(spec, key), *copy = NULL;

	if (!member)
		return FF_ENOTFOUND;
	if (value && complaint_about(key, value))
		return FF_EINVAL;
	if (!copy_text(&copy, value))
		return FF_ENOMEM;
	ff_free(*member);
	*member = copy;
	return 0;
}

/* ssh= may hold options before the host: the host is its last word. */
static const char *last_word(const char *text)
{
	const char *blank = strrchr(text, ' ');

	return blank && blank[1] ? blank + 1 : text;
}

int ff_xspec_label(struct ff_buf *out, const struct ff_xspec *spec)
{
	const struct {
		const char *key, *value;
	} transports[] = {
		{"ssh", spec->ssh},	    {"vagrant_ssh", spec->vagrant_ssh},
		{"socket", spec->socket},   {"docker", spec->docker},
		{"kubectl", spec->kubectl}, {"podman", spec->podman},
		{"srun", spec->srun},	    {"popen", spec->popen},
	};

	for (size_t i = 0; i < sizeof(transports) / sizeof(*transports); i++) {
		const char *key = transports[i].key, *value = transports[i].value;

		if (!value)
			continue;
		if (!*value)
			return ff_buf_addstr(out, key);
		return ff_buf_addf(out, "%s=%s", key,
				   strcmp(key, "ssh") ? value : last_word(value));
	}
	return ff_buf_addstr(out, spec->text ? spec->text : "");
}

struct ff_value ff_xspec_env(const struct ff_xspec *spec, struct ff_value *entries)
{
	for (size_t i = 0; i < spec->env.len; i++) {
		const char *name = spec->env.v[i], *equals = strchr(name, '=');

		entries[2 * i] = ff_strn(name, (size_t)(equals - name));
		entries[2 * i + 1] = ff_str(equals + 1);
	}
	return ff_collection(FF_DICT, entries, spec->env.len);
}

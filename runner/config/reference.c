/* The reference of all options, written from their table. */
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/options.h"

static void add_option(struct ff_buf *out, const struct ff_config_option *option)
{
	static const char *const words[] = {
#define X(name, word, wants) [FF_TYPE_##name] = word,
		FF_CONFIG_TYPE_MAP(X)
#undef X
	};

	ff_buf_addf(out, "  %-16s %s", option->key, words[option->type]);
	if (option->choices)
		ff_buf_addf(out, ": %s", option->choices);
	if (option->range)
		ff_buf_addf(out, ", %s", option->range);
	if (option->unit)
		ff_buf_addf(out, ", a bare number is in %s", option->unit);
	if (option->fallback)
		ff_buf_addf(out, ", default %s", option->fallback);
	if (option->required)
		ff_buf_addstr(out, ", required");
	if (option->only)
		ff_buf_addf(out, ", only for '%s'", option->only);
	ff_buf_addf(out, "\n  %-16s   %s\n", "", option->help);
}

int ff_config_reference(struct ff_buf *out)
{
	static const struct {
		const char *where, *what;
	} sections[] = {
#define X(name, where, what) [FF_SECTION_##name] = {where, what},
		FF_SECTION_MAP(X)
#undef X
	};
	for (int section = 0; section < FF_SECTIONS; section++) {
		ff_buf_addf(out, "%s%s%s%s:\n", section ? "\n" : "", sections[section].where,
			    *sections[section].where ? "  -  " : "", sections[section].what);
		for (const struct ff_config_option *option = ff_config_options; option->key;
		     option++)
			if (option->section == (enum ff_section)section)
				add_option(out, option);
	}
	return ff_buf_addch(out, '\n');
}

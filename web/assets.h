/* What browsers are given: ES modules, which name each other "farflung/NAME", and a style sheet.
 * They are embedded in the program as they are in web/assets. */
#ifndef FF_WEB_ASSETS_H
#define FF_WEB_ASSETS_H

#include <stddef.h>

/* X(name): a module, web/assets/name.js */
#define FF_ASSET_MODULE_MAP(X)                                                                     \
	X(dom)                                                                                     \
	X(format)                                                                                  \
	X(links)                                                                                   \
	X(artifacts)                                                                               \
	X(source)                                                                                  \
	X(view_runs)                                                                               \
	X(view_trends)                                                                             \
	X(view_compare)                                                                            \
	X(view_run)                                                                                \
	X(view_failures)                                                                           \
	X(view_critical)                                                                           \
	X(view_timeline)                                                                           \
	X(view_tests)                                                                              \
	X(view_unit)                                                                               \
	X(main)

struct ff_asset {
	const char *name;
	const unsigned char *bytes;
	const size_t *len;
};

/* Ends with a NULL name. */
extern const struct ff_asset ff_asset_modules[];
extern const struct ff_asset ff_asset_style;

#endif

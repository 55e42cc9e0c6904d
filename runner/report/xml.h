/* Foreign text as XML 1.0. */
#ifndef FF_REPORT_XML_H
#define FF_REPORT_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* What XML cannot hold in any form is written as pytest does: "#x1B"; bytes that are not UTF-8
 * become U+FFFD. */
void ff_xml_text(struct ff_buf *out, const char *text, size_t len, bool attribute);
/* ` name="value"`; NULL is an empty value. */
void ff_xml_attribute(struct ff_buf *out, const char *name, const char *value);
/* As seconds, to the millisecond; less than 0 is 0. */
void ff_xml_seconds(struct ff_buf *out, const char *name, int64_t us);
/* classname and name, as pytest mangles a node id: "a/b/test_x.py::TestC::test_m[p]" has classname
 * "a.b.test_x.TestC" and name "test_m[p]"; parameters stay as they are. `prefix` comes before the
 * class's name, unless it is NULL. */
void ff_xml_names(struct ff_buf *out, const char *prefix, const char *unit);
/* The same for units of any job: "Suite.Name" is googletest's; what has no classes of its own is
 * of the class `job`. `payload`: NULL: as if it were pytest's. */
void ff_xml_unit_names(struct ff_buf *out, const char *prefix, const char *payload, const char *job,
		       const char *unit);

#endif

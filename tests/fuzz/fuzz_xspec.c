/* Fuzzes the xspec parser; what parses must parse again from its own text, copy and have a label.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "wire/xspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = ff_strndup((const char *)data, size);
	struct ff_buf label = FF_BUF_INIT;
	struct ff_xspec spec, copy;
	struct ff_err err;

	if (!text)
		return 0;
	if (!ff_xspec_parse(&spec, text, &err)) {
		if (strcmp(spec.text, text) != 0 || ff_xspec_copy(&copy, &spec) ||
		    ff_xspec_label(&label, &copy) || copy.env.len != spec.env.len)
			abort();
		ff_xspec_release(&spec);
		if (ff_xspec_parse(&spec, copy.text, &err))
			abort();
		ff_xspec_release(&spec);
		ff_xspec_release(&copy);
	}
	ff_buf_release(&label);
	ff_free(text);
	return 0;
}

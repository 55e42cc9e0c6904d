/* Fuzzes the loader. The first byte chooses how Python 2's strings are read; what loads must dump,
 * and load again to an equal value. */
#include <stdlib.h>

#include "wire/serialize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ff_item item = FF_ITEM_INIT, again = FF_ITEM_INIT;
	struct ff_buf out = FF_BUF_INIT;
	struct ff_strconfig config;
	struct ff_err err;

	if (!size)
		return 0;
	config.py2str_as_py3str = data[0] & 1;
	config.py3str_as_py2str = data[0] & 2;
	if (ff_load_item(&item, data + 1, size - 1, &config, 0, &err))
		return 0;
	if (ff_value_repr(&out, &item.value, 1000))
		abort();
	ff_buf_clear(&out);
	if (ff_dump_item(&out, &item.value, &err))
		abort();
	if (ff_load_item(&again, ff_buf_data(&out), out.len, NULL, SIZE_MAX, &err))
		abort();
	if (!ff_value_equal(&item.value, &again.value))
		abort();
	ff_item_release(&item);
	ff_item_release(&again);
	ff_buf_release(&out);
	return 0;
}

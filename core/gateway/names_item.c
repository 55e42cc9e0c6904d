/* How named values look as items. */
#include "gateway/names_item.h"

int ff_names_send(struct ff_channel *channel, const char *tag, const char *name,
		  const struct ff_value *value, struct ff_err *err)
{
	struct ff_value parts[3] = {ff_str(tag), ff_str(name)}, request;

	if (value)
		parts[2] = *value;
	request = ff_collection(FF_TUPLE, parts, value ? 3 : 2);
	return ff_channel_send(channel, &request, err);
}

bool ff_names_copy(char name[FF_NAME_MAX + 1], const struct ff_value *value)
{
	if (!value || value->kind != FF_STR || !value->len || value->len > FF_NAME_MAX ||
	    memchr(value->text, '\0', value->len))
		return false;
	memcpy(name, value->text, value->len);
	name[value->len] = '\0';
	return true;
}

int ff_names_check(const char *name, struct ff_err *err)
{
	size_t len = strlen(name);

	if (len && len <= FF_NAME_MAX)
		return 0;
	return ff_err_set(err, FF_EINVAL, "a name has 1 to %d bytes, not %zu", FF_NAME_MAX, len);
}

/* No deeper than what a value that travels may be; dumping refuses the rest. */
static bool has_channel(const struct ff_value *value, unsigned depth)
{
	size_t count = value->len;

	switch (value->kind) {
	case FF_CHANNEL:
		return true;
	case FF_DICT:
		count *= 2;
		break;
	case FF_LIST:
	case FF_TUPLE:
	case FF_SET:
	case FF_FROZENSET:
		break;
	default:
		return false;
	}
	for (size_t i = 0; depth < FF_DEPTH_MAX && i < count; i++) {
		if (has_channel(&value->items[i], depth + 1))
			return true;
	}
	return false;
}

bool ff_names_has_channel(const struct ff_value *value)
{
	return has_channel(value, 0);
}

/* A channel as a file. Built on the public face of channels; knows nothing of frames. */
#include "gateway/channel_file.h"

#include <string.h>

#include "base/alloc.h"
#include "gateway/private.h"

enum mode { MODE_READ, MODE_TEXT, MODE_BYTES };

struct ff_channel_file {
	struct ff_channel *channel;
	enum mode mode;
	bool proxyclose;
	struct ff_buf unread;
};

static int parse_mode(const char *mode, enum mode *out, struct ff_err *err)
{
	static const struct {
		const char *text;
		enum mode mode;
	} modes[] = {{"r", MODE_READ}, {"rb", MODE_READ}, {"w", MODE_TEXT}, {"wb", MODE_BYTES}};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(mode, modes[i].text)) {
			*out = modes[i].mode;
			return 0;
		}
	}
	return ff_err_set(err, FF_EINVAL, "makefile: mode '%s' is not w, wb, r or rb", mode);
}

struct ff_channel_file *ff_channel_makefile(struct ff_channel *channel, const char *mode,
					    bool proxyclose, struct ff_err *err)
{
	struct ff_channel_file *file;
	enum mode parsed = MODE_READ;

	if (parse_mode(mode, &parsed, err))
		return NULL;
	file = ff_calloc(1, sizeof(*file));
	if (!file) {
		ff_err_set(err, FF_ENOMEM, "makefile: %s", ff_err_text(FF_ENOMEM));
		return NULL;
	}
	file->channel = ff_channel_ref(channel);
	file->mode = parsed;
	file->proxyclose = proxyclose;
	ff_buf_init(&file->unread, 0);
	return file;
}

int ff_channel_file_close(struct ff_channel_file *file)
{
	int rc = 0;

	if (!file)
		return 0;
	if (file->proxyclose)
		rc = ff_channel_close(file->channel, NULL);
	ff_channel_unref(file->channel);
	ff_buf_release(&file->unread);
	ff_free(file);
	return rc;
}

/* --- writing --- */

static int check_mode(const struct ff_channel_file *file, bool reading, struct ff_err *err)
{
	if ((file->mode == MODE_READ) == reading)
		return 0;
	return ff_err_set(err, FF_EINVAL, "channel %u: its file was not opened for %s",
			  file->channel->id, reading ? "reading" : "writing");
}

int ff_channel_file_write(struct ff_channel_file *file, const void *bytes, size_t len,
			  struct ff_err *err)
{
	struct ff_value text;
	int rc = check_mode(file, false, err);

	if (rc)
		return rc;
	if (len > INT32_MAX)
		return ff_err_set(err, FF_ETOOBIG, "channel %u: a write of %zu bytes",
				  file->channel->id, len);
	if (file->mode == MODE_BYTES)
		return ff_channel_send_bytes(file->channel, bytes, len, err);
	text = ff_strn(len ? bytes : "", len);
	return ff_channel_send(file->channel, &text, err);
}

int ff_channel_file_flush(struct ff_channel_file *file, int64_t timeout_ms, struct ff_err *err)
{
	int rc = check_mode(file, false, err);

	return rc ? rc : ff_channel_waittaken(file->channel, timeout_ms, err);
}

/* --- reading --- */

/* Adds one item to what is unread. At the end FF_EEOF: the file is done with the channel then. */
static int receive(struct ff_channel_file *file, const struct ff_limit *limit, struct ff_err *err)
{
	struct ff_item item = FF_ITEM_INIT;
	int rc = ff_channel_receive(file->channel, ff_limit_left(limit), &item, err);

	if (rc == FF_EEOF && file->proxyclose)
		ff_channel_close(file->channel, NULL);
	if (rc)
		return rc;
	if (item.value.kind != FF_STR && item.value.kind != FF_BYTES) {
		rc = ff_err_set(err, FF_EINVAL, "channel %u: a file of str and bytes, but got %s",
				file->channel->id, ff_kind_name(item.value.kind));
	} else if (item.value.len) {
		rc = ff_buf_add(&file->unread, item.value.text, item.value.len);
		if (rc)
			ff_err_set(err, rc, "channel %u: %s", file->channel->id, ff_err_text(rc));
	}
	ff_item_release(&item);
	return rc;
}

static int give(struct ff_channel_file *file, size_t len, struct ff_buf *out, struct ff_err *err)
{
	int rc = len ? ff_buf_add(out, ff_buf_data(&file->unread), len) : 0;

	if (rc)
		return ff_err_set(err, rc, "channel %u: %s", file->channel->id, ff_err_text(rc));
	ff_buf_consume(&file->unread, len);
	if (!file->unread.len)
		ff_buf_release(&file->unread);
	return 0;
}

static struct ff_limit start(const struct ff_channel_file *file, int64_t timeout_ms)
{
	void *ctx = NULL;
	const struct ff_group_driver *driver = ff_channel_driver(file->channel, &ctx);

	return ff_limit_start(driver, ctx, timeout_ms);
}

int ff_channel_file_read(struct ff_channel_file *file, size_t len, int64_t timeout_ms,
			 struct ff_buf *out, struct ff_err *err)
{
	struct ff_limit limit = start(file, timeout_ms);
	int rc = check_mode(file, true, err);

	if (!rc && len > FF_CHANNEL_FILE_MAX)
		rc = ff_err_set(err, FF_ETOOBIG, "channel %u: a read of %zu bytes",
				file->channel->id, len);
	while (!rc && file->unread.len < len)
		rc = receive(file, &limit, err);
	if (rc && (rc != FF_EEOF || !file->unread.len))
		return rc;
	return give(file, file->unread.len < len ? file->unread.len : len, out, err);
}

int ff_channel_file_readline(struct ff_channel_file *file, int64_t timeout_ms, struct ff_buf *out,
			     struct ff_err *err)
{
	struct ff_limit limit = start(file, timeout_ms);
	const uint8_t *newline = NULL;
	size_t seen = 0;
	int rc = check_mode(file, true, err);

	while (!rc) {
		const uint8_t *bytes = ff_buf_data(&file->unread);

		newline = file->unread.len > seen
				  ? memchr(bytes + seen, '\n', file->unread.len - seen)
				  : NULL;
		if (newline)
			return give(file, (size_t)(newline - bytes) + 1, out, err);
		seen = file->unread.len;
		if (seen > FF_CHANNEL_FILE_MAX)
			return ff_err_set(err, FF_ETOOBIG, "channel %u: a line of over %d bytes",
					  file->channel->id, FF_CHANNEL_FILE_MAX);
		rc = receive(file, &limit, err);
	}
	if (rc != FF_EEOF || !file->unread.len)
		return rc;
	return give(file, file->unread.len, out, err);
}

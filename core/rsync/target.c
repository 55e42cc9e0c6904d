/* Feeds one target: the manifest, then what it wants, in what order it comes by in the window.
 * Sends only while the channel takes it. */
#include "rsync/sender.h"

#include <string.h>

#include "base/alloc.h"

void ff_target_want(struct ff_rsync_target *target, uint32_t index)
{
	ff_bit_set(target->want, index);
	target->wanted++;
}

int ff_target_touch(struct ff_rsync_target *target, uint32_t index, int flag)
{
	uint8_t record[FF_RSYNC_RECORD] = {0};

	if (flag & FF_RSYNC_GONE)
		ff_target_gone(target, index);
	ff_put_be(record, index, 4);
	record[4] = (uint8_t)(flag | FF_RSYNC_LAST);
	return ff_buf_add(&target->touch, record, sizeof(record));
}

void ff_target_gone(struct ff_rsync_target *target, uint32_t index)
{
	if (!target->gone)
		target->gone = ff_calloc(target->rsync->tree.len / 64 + 1, sizeof(*target->gone));
	if (target->gone)
		ff_bit_set(target->gone, index);
}

/* ("m", bytes), or ("m", None) and ("end", None) with NULL bytes. */
static int send_pair(struct ff_rsync_target *target, const char *name, const void *bytes,
		     size_t len, struct ff_err *err)
{
	struct ff_value pair[] = {ff_str(name), bytes ? ff_bytes(bytes, len) : ff_none()};
	struct ff_value item = ff_collection(FF_TUPLE, pair, 2);

	return ff_channel_send(target->channel, &item, err);
}

static int send_manifest(struct ff_rsync_target *target, struct ff_err *err)
{
	const struct ff_buf *manifest = &target->rsync->manifest;
	size_t len = manifest->len - target->manifest_at;
	int rc;

	if (!len) {
		target->manifest_sent = true;
		return send_pair(target, "m", NULL, 0, err);
	}
	if (len > FF_RSYNC_PART_MAX)
		len = FF_RSYNC_PART_MAX;
	rc = send_pair(target, "m", ff_buf_data(manifest) + target->manifest_at, len, err);
	target->manifest_at += len;
	target->stats.manifest_bytes += len;
	return rc;
}

/* As many whole records as fit. */
static int send_records(struct ff_rsync_target *target, const char *name, struct ff_buf *records,
			size_t record, struct ff_err *err)
{
	size_t len = FF_RSYNC_PART_MAX / record * record;
	int rc;

	if (len > records->len)
		len = records->len;
	rc = send_pair(target, name, ff_buf_data(records), len, err);
	ff_buf_consume(records, len);
	return rc;
}

/* --- the window --- */

/* Whether a piece is one that the target should have next. */
static bool fits(const struct ff_rsync_target *target, const struct ff_piece *piece)
{
	if (!ff_bit(target->want, piece->index))
		return false;
	if (!target->inside)
		return piece->flags & (FF_RSYNC_FIRST | FF_RSYNC_GONE);
	if (piece->index != target->now.index)
		return false;
	if (piece->flags & FF_RSYNC_GONE)
		return true;
	if (piece->flags & FF_RSYNC_FIRST) /* begun anew? */
		return !ff_version_same(piece->version, target->now.version);
	return piece->offset == target->now.offset &&
	       ff_version_same(piece->version, target->now.version);
}

static void took(struct ff_rsync_target *target, const struct ff_piece *piece)
{
	target->stats.sent_bytes += piece->bytes;
	if (!(piece->flags & FF_RSYNC_LAST)) {
		target->inside = true;
		target->now.index = piece->index;
		target->now.offset = piece->offset + piece->span;
		target->now.version = piece->version;
		return;
	}
	target->inside = target->lagging = false;
	target->tries = 0;
	ff_bit_clear(target->want, piece->index);
	target->wanted--;
	if (piece->flags & FF_RSYNC_GONE)
		ff_target_gone(target, piece->index);
	else
		target->stats.sent_files++;
}

static int send_selected(struct ff_rsync_target *target, const struct ff_block *block,
			 const uint16_t *taken, size_t count, struct ff_err *err)
{
	const uint8_t *payload = ff_buf_data(&block->packed) + block->payload_at;
	struct ff_buf *some = &target->rsync->payload;
	int rc = 0;

	ff_buf_clear(some);
	for (size_t i = 0; !rc && i < count; i++)
		rc = ff_buf_add(some, payload + block->pieces[taken[i]].at,
				block->pieces[taken[i]].len);
	if (rc)
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	return send_pair(target, "d", ff_buf_data(some), some->len, err);
}

static void report(const struct ff_rsync_target *target, const struct ff_block *block,
		   const uint16_t *taken, size_t count)
{
	const struct ff_tree_entry *entries = target->rsync->tree.entries;

	if (!target->events.progress)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct ff_piece *piece = &block->pieces[taken[i]];

		if (piece->flags & FF_RSYNC_LAST && !(piece->flags & FF_RSYNC_GONE))
			target->events.progress((struct ff_rsync_target *)target,
						entries[piece->index].path, target->ctx);
	}
}

/* Sends of a block what the target wants: all of it as it is, or a selection. */
static int take(struct ff_rsync_target *target, const struct ff_block *block, struct ff_err *err)
{
	uint16_t taken[FF_BLOCK_RECORDS];
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < block->count; i++) {
		if (!fits(target, &block->pieces[i]))
			continue;
		took(target, &block->pieces[i]);
		taken[count++] = (uint16_t)i;
	}
	if (!count)
		return 0;
	if (count == block->count)
		rc = ff_channel_send_packed(target->channel, &block->packed, err);
	else
		rc = send_selected(target, block, taken, count, err);
	if (!rc)
		report(target, block, taken, count);
	return rc;
}

/* The window went on without the target. In the middle of a file it needs the very next piece. */
static void catch_up(struct ff_rsync_target *target)
{
	const struct ff_window *window = &target->rsync->window;
	uint64_t found;

	if (!target->lagging && target->next < window->tail) {
		target->next = window->tail;
		target->lagging = target->inside;
	}
	if (!target->lagging)
		return;
	found = ff_window_find(window, target->now.index, target->now.offset, target->now.version);
	if (found < window->head) {
		target->next = found;
		target->lagging = false;
	}
}

static int step(struct ff_rsync_target *target, struct ff_err *err)
{
	struct ff_rsync *rsync = target->rsync;
	struct ff_window *window = &rsync->window;
	struct ff_block *block;
	bool own;
	int rc;

	catch_up(target);
	own = target->lagging;
	if (!own && target->next < window->head)
		return take(target, window->ring[target->next++ % FF_WINDOW_BLOCKS], err);
	rc = ff_source_read(rsync, target, &block);
	if (rc)
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	if (!block)
		return 0;
	if (!own) {
		ff_window_put(window, block);
		target->next = window->head;
	}
	rc = take(target, block, err);
	if (own)
		ff_block_free(block);
	return rc;
}

int ff_target_pump(struct ff_rsync_target *target, struct ff_err *err)
{
	int rc = 0;

	while (!rc && ff_channel_writable(target->channel)) {
		if (!target->manifest_sent) {
			rc = send_manifest(target, err);
		} else if (target->touch.len) {
			rc = send_records(target, "d", &target->touch, FF_RSYNC_RECORD, err);
		} else if (target->keep.len) {
			rc = send_records(target, "keep", &target->keep, 4, err);
		} else if (target->wanted) {
			rc = step(target, err);
		} else if (target->lists_complete && !target->end_sent) {
			target->end_sent = true;
			rc = send_pair(target, "end", NULL, 0, err);
		} else {
			break;
		}
	}
	return rc;
}

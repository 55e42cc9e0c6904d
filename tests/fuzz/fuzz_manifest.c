/* Any bytes as a manifest: refused, or a tree that packs and unpacks to itself. */
#include <stdlib.h>
#include <string.h>

#include "rsync/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
	if (!condition)
		abort();
}

static void same(const struct ff_tree *a, const struct ff_tree *b)
{
	check(a->len == b->len);
	for (size_t i = 0; i < a->len; i++) {
		const struct ff_tree_entry *x = &a->entries[i], *y = &b->entries[i];

		check(!strcmp(x->path, y->path) && x->kind == y->kind && x->mode == y->mode &&
		      x->mtime_ns == y->mtime_ns && x->size == y->size && x->parent == y->parent);
		check(!x->target == !y->target && (!x->target || !strcmp(x->target, y->target)));
		check(x->path[0] != '/' && strncmp(x->path, "../", 3) && !strstr(x->path, "/../"));
		check(!i || a->entries[x->parent].kind == FF_TREE_DIR);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_tree tree, again;
	struct ff_err err;

	if (ff_tree_unpack(&tree, data, size, &err))
		return 0;
	check(!ff_tree_pack(&tree, &packed));
	check(!ff_tree_unpack(&again, ff_buf_data(&packed), packed.len, &err));
	same(&tree, &again);
	ff_tree_release(&tree);
	ff_tree_release(&again);
	ff_buf_release(&packed);
	return 0;
}

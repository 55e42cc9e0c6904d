/* Notes in a run's folder of what the tree's files held, by which a run that goes on with it tells
 * what has changed. Made in a thread, while the tree is brought to hosts. */
#ifndef FF_DISPATCH_TREE_NOTE_H
#define FF_DISPATCH_TREE_NOTE_H

#include "io/loop_private.h"
#include "rsync/tree.h"

struct ff_tree_note;

/* Where it is, beside a run's journal; the caller's to free. */
char *ff_tree_note_beside(const char *journal);

struct ff_tree_note_opts {
	const char *to;	       /* the file to write */
	const char *since;     /* an earlier run's; NULL: there is none */
	const char *since_run; /* whose that is, for people */
	/* That the tree is another one, in words; on the loop's thread. */
	void (*changed)(void *ctx, const char *text);
	void *ctx;
};

/* Of files up to a size, and up to a sum of sizes, the content counts; of what is beyond, size and
 * mtime. The tree is read during the call only. */
struct ff_tree_note *ff_tree_note_begin(struct ff_loop *loop, const struct ff_tree *tree,
					const struct ff_tree_note_opts *opts);
/* Leaves off, if it is not done: then there is no note. Runs the loop for a moment. NULL is fine.
 */
void ff_tree_note_end(struct ff_tree_note *note);

#endif

/* Notes of a tree. */
#include "dispatch/tree_note.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "event/journal.h"
#include "rsync/hash.h"

enum {
	FILE_MAX = 16 << 20, /* bytes of one that is read */
	ALL_MAX = 256 << 20, /* and of all together */
	NAMED = 5,	     /* files of each kind of change */
	ID_SIZE = 64,
};

struct file {
	char *path, *target; /* target: of a link; NULL */
	uint64_t size;
	int64_t mtime_ns;
};

struct ff_tree_note {
	struct ff_loop *loop;
	struct ff_tree_note_opts opts; /* with copies of its texts */
	char *root;
	struct file *files;
	size_t len;
	uv_work_t work;
	bool over;
	atomic_bool leave_off;
	struct ff_buf words; /* what has changed */
};

/* A note begins with this and ends with its last line: one that was cut off is none. */
static const char first_line[] = "farflung tree 1\n", last_line[] = "end\n";

char *ff_tree_note_beside(const char *journal)
{
	const char *slash = strrchr(journal, '/');

	return ff_xasprintf("%.*s" FF_TREE_NAME, slash ? (int)(slash - journal) + 1 : 0, journal);
}

/* --- the thread --- */

static void id_of(const struct file *file, const char *root, uint64_t *left, char id[ID_SIZE])
{
	uint8_t digest[FF_RSYNC_DIGEST];
	bool read = !file->target && file->size <= FILE_MAX && file->size <= *left;
	char *path = read ? ff_xasprintf("%s/%s", root, file->path) : NULL;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;

	ff_free(path);
	if (file->target)
		ff_hash_bytes(file->target, strlen(file->target), digest);
	else if (fd < 0 || ff_hash_xxh3(fd, false, digest) < 0)
		read = false;
	if (fd >= 0)
		close(fd);
	if (!read && !file->target) {
		snprintf(id, ID_SIZE, "%" PRIu64 "-%" PRId64, file->size, file->mtime_ns);
		return;
	}
	*left -= file->target ? 0 : file->size;
	ff_hash_text(digest, id);
}

/* path -> id; empty if there is no whole note. */
static void read_note(const char *path, struct ff_map *ids)
{
	FILE *file = path ? fopen(path, "re") : NULL;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	bool begun = false, whole = false;

	while (file && !whole && (len = getline(&line, &cap, file)) > 0) {
		char *blank = strchr(line, ' ');

		if (!begun) {
			begun = strcmp(line, first_line) == 0;
			if (!begun)
				break;
			continue;
		}
		whole = strcmp(line, last_line) == 0;
		if (whole || !blank || line[len - 1] != '\n')
			continue;
		line[len - 1] = '\0';
		*blank = '\0';
		if (!ff_map_get(ids, blank + 1))
			ff_map_set(ids, blank + 1, ff_xstrdup(line));
	}
	if (file)
		fclose(file);
	free(line);
	if (whole)
		return;
	for (size_t cursor = 0;;) {
		void *id;

		if (!ff_map_next(ids, &cursor, NULL, &id))
			break;
		ff_free(id);
	}
	ff_map_release(ids);
}

/* One kind of change, with the first names. */
struct change {
	const char *word;
	size_t len;
	struct ff_buf names;
};

static void add_change(struct change *change, const char *path)
{
	if (change->len++ < NAMED)
		ff_buf_addf(&change->names, "%s%s", change->len > 1 ? ", " : "", path);
}

static void put_words(struct change *changes, size_t len, struct ff_buf *words)
{
	for (size_t i = 0; i < len; i++) {
		if (changes[i].len > 0)
			ff_buf_addf(words, "%s%s: %s", words->len ? "; " : "", changes[i].word,
				    ff_buf_str(&changes[i].names));
		if (changes[i].len > NAMED)
			ff_buf_addf(words, " and %zu more", changes[i].len - NAMED);
		ff_buf_release(&changes[i].names);
	}
}

static void compare(struct ff_map *then, struct ff_map *now, struct ff_buf *words)
{
	struct change changes[] = {
		{"changed", 0, FF_BUF_INIT}, {"new", 0, FF_BUF_INIT}, {"gone", 0, FF_BUF_INIT}};
	const char *path;
	size_t cursor = 0;
	void *id;

	while (then->len > 0 && ff_map_next(now, &cursor, &path, &id)) {
		const char *was = ff_map_get(then, path);

		if (!was)
			add_change(&changes[1], path);
		else if (strcmp(was, id) != 0)
			add_change(&changes[0], path);
	}
	for (cursor = 0; ff_map_next(then, &cursor, &path, &id);)
		if (!ff_map_get(now, path))
			add_change(&changes[2], path);
	put_words(changes, 3, words);
}

static void release_ids(struct ff_map *ids)
{
	size_t cursor = 0;
	void *id;

	while (ff_map_next(ids, &cursor, NULL, &id))
		ff_free(id);
	ff_map_release(ids);
}

static void note_all(struct ff_tree_note *note, FILE *to, struct ff_map *now)
{
	uint64_t left = ALL_MAX;
	char id[ID_SIZE];

	fputs(first_line, to);
	for (size_t i = 0; i < note->len && !atomic_load(&note->leave_off); i++) {
		/* A line's end in a name would be another line. */
		if (strchr(note->files[i].path, '\n'))
			continue;
		id_of(&note->files[i], note->root, &left, id);
		fprintf(to, "%s %s\n", id, note->files[i].path);
		ff_map_set(now, note->files[i].path, ff_xstrdup(id));
	}
	if (!atomic_load(&note->leave_off))
		fputs(last_line, to);
}

static void work(uv_work_t *work_)
{
	struct ff_tree_note *note = work_->data;
	struct ff_map then = FF_MAP_INIT, now = FF_MAP_INIT;
	FILE *to = fopen(note->opts.to, "we");

	/* Without it a later run can't say what has changed: nothing else. */
	if (!to)
		return;
	note_all(note, to, &now);
	fclose(to);
	if (!atomic_load(&note->leave_off)) {
		read_note(note->opts.since, &then);
		compare(&then, &now, &note->words);
	}
	release_ids(&then);
	release_ids(&now);
}

/* --- the loop --- */

static void on_over(uv_work_t *work_, int status)
{
	struct ff_tree_note *note = work_->data;
	char *text;

	(void)status;
	note->over = true;
	if (note->words.len == 0 || atomic_load(&note->leave_off))
		return;
	text = ff_xasprintf("the tree has changed since run %s: %s", note->opts.since_run,
			    ff_buf_str(&note->words));
	note->opts.changed(note->opts.ctx, text);
	ff_free(text);
}

static void copy_files(struct ff_tree_note *note, const struct ff_tree *tree)
{
	note->files = ff_xcalloc(tree->len + 1, sizeof(*note->files));
	for (size_t i = 0; i < tree->len; i++) {
		const struct ff_tree_entry *entry = &tree->entries[i];

		if (entry->kind == FF_TREE_DIR)
			continue;
		note->files[note->len++] = (struct file){
			.path = ff_xstrdup(entry->path),
			.target = entry->kind == FF_TREE_LINK ? ff_xstrdup(entry->target) : NULL,
			.size = entry->size,
			.mtime_ns = entry->mtime_ns};
	}
}

struct ff_tree_note *ff_tree_note_begin(struct ff_loop *loop, const struct ff_tree *tree,
					const struct ff_tree_note_opts *opts)
{
	struct ff_tree_note *note = ff_xcalloc(1, sizeof(*note));

	note->loop = loop;
	note->opts = *opts;
	note->opts.to = ff_xstrdup(opts->to);
	note->opts.since = ff_xstrdup(opts->since);
	note->opts.since_run = ff_xstrdup(opts->since_run);
	note->root = ff_xstrdup(tree->root ? tree->root : ".");
	copy_files(note, tree);
	note->work.data = note;
	note->over = uv_queue_work(loop->uv, &note->work, work, on_over) < 0;
	return note;
}

void ff_tree_note_end(struct ff_tree_note *note)
{
	if (!note)
		return;
	atomic_store(&note->leave_off, true);
	while (!note->over)
		ff_loop_run_once(note->loop, FF_NEVER_US);
	for (size_t i = 0; i < note->len; i++) {
		ff_free(note->files[i].path);
		ff_free(note->files[i].target);
	}
	ff_free(note->files);
	ff_free(note->root);
	ff_free((char *)note->opts.to);
	ff_free((char *)note->opts.since);
	ff_free((char *)note->opts.since_run);
	ff_buf_release(&note->words);
	ff_free(note);
}

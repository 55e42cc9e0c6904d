/* Scanning, excluding, and manifests that mean harm. */
#include "rig.h"

#include "rsync/protocol.h"

static const struct ff_tree_entry *find(const struct ff_tree *tree, const char *path)
{
	for (size_t i = 0; i < tree->len; i++)
		if (!strcmp(tree->entries[i].path, path))
			return &tree->entries[i];
	return NULL;
}

static void make_some(void)
{
	rig_mkdir("src");
	rig_mkdir("src/b");
	rig_mkdir("src/b/build");
	rig_mkdir("src/build");
	rig_text("src/b/build/x.o", "x");
	rig_text("src/b/x.c", "xx");
	rig_text("src/b/x.o", "xxx");
	rig_text("src/b.c", "xxxx");
	rig_text("src/build/y", "y");
	assert_int_equal(symlink("b/x.c", "src/link"), 0);
}

static void scans_in_order(void **state)
{
	static const char *const paths[] = {"",	     "b",   "b/build", "b/build/x.o", "b/x.c",
					    "b/x.o", "b.c", "build",   "build/y",     "link"};
	struct ff_tree tree;

	make_some();
	rig_mtime("src/b/x.c", 12, 34);
	chmod("src/b/x.c", 02640);
	rig_scan(&tree, "src");
	assert_true(tree.root[0] == '/');
	assert_int_equal(tree.len, sizeof(paths) / sizeof(*paths));
	/* "b" goes before "b.c" with all it holds, since names are compared, not paths */
	for (size_t i = 0; i < tree.len; i++)
		assert_non_null(find(&tree, paths[i]));
	assert_string_equal(tree.entries[1].path, "b");
	assert_string_equal(tree.entries[6].path, "b.c");
	assert_int_equal(find(&tree, "b/x.c")->mtime_ns, 12000000034);
	assert_int_equal(find(&tree, "b/x.c")->mode, 02640);
	assert_int_equal(find(&tree, "b/x.c")->size, 2);
	assert_string_equal(find(&tree, "link")->target, "b/x.c");
	assert_string_equal(ff_tree_name(find(&tree, "b/build/x.o")), "x.o");
	assert_ptr_equal(&tree.entries[find(&tree, "b/build/x.o")->parent], find(&tree, "b/build"));
	ff_tree_release(&tree);
}

/* Absolute links that lead into the tree, by its resolved path or as the caller wrote it. */
static void links_into_the_tree(void **state)
{
	static const struct {
		const char *target; /* behind the scenario's folder */
		const char *inside; /* NULL: it stays as it is */
	} cases[] = {
		{"/src/b/x.c", "b/x.c"},
		{"/src", ""},
		{"/src/", ""},
		{"/src//b", "b"},
		{"/src/..b", "..b"},
		{"/alias/b", "b"},
		{"/src/..", NULL},
		{"/src/b/../../x", NULL},
		{"/srcs/b", NULL},
		{"/sr", NULL},
		{"", NULL},
		{"/alia", NULL},
	};
	const struct ff_tree_entry *entry;
	char target[PATH_MAX], alias[PATH_MAX];
	struct ff_tree tree;
	struct ff_err err;

	make_some();
	assert_int_equal(symlink("src", "alias"), 0);
	snprintf(alias, sizeof(alias), "%.1000s/alias//", rig_dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(target, sizeof(target), "%.1000s%s", rig_dir, cases[i].target);
		assert_int_equal(unlink("src/link") | symlink(target, "src/link"), 0);
		assert_int_equal(ff_tree_scan(&tree, alias, NULL, &err), 0);
		entry = find(&tree, "link");
		assert_int_equal(entry->inside, cases[i].inside != NULL);
		assert_string_equal(entry->target, entry->inside ? cases[i].inside : target);
		ff_tree_release(&tree);
	}
	/* The root written relatively: only the resolved path counts. */
	assert_int_equal(unlink("src/link") | symlink("alias/b", "src/link"), 0);
	assert_int_equal(ff_tree_scan(&tree, "alias", NULL, &err), 0);
	assert_false(find(&tree, "link")->inside);
	ff_tree_release(&tree);
}

static void special_files_are_problems(void **state)
{
	struct ff_tree tree;
	struct ff_err err;

	make_some();
	assert_int_equal(mkfifo("src/pipe", 0600), 0);
	rig_text("src/.ff-0123456789abcdef0000.tmp", "left over");
	rig_scan(&tree, "src");
	assert_int_equal(tree.problems.len, 1);
	assert_non_null(strstr(tree.problems.v[0], "pipe: neither"));
	assert_int_equal(tree.len, 10);
	ff_tree_release(&tree);
	assert_int_equal(ff_tree_scan(&tree, "nowhere", NULL, &err), FF_ESYS);
	assert_non_null(strstr(err.text, "nowhere: No such file"));
	assert_int_equal(ff_tree_scan(&tree, "src/b.c", NULL, &err), FF_ESYS);
}

/* Further names of a file point to the first one, and only there. */
static void hard_links(void **state)
{
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_tree tree, copy;
	struct ff_err err;
	size_t at;

	rig_mkdir("src");
	rig_mkdir("src/d");
	rig_text("src/b", "text");
	assert_int_equal(link("src/b", "src/d/c") | link("src/b", "outside"), 0);
	rig_text("src/e", "text");
	assert_int_equal(link("src/e", "outside-too"), 0);
	assert_int_equal(ff_tree_scan(&tree, "src", NULL, &err), 0);
	assert_int_equal(tree.len, 5); /* root, b, d, d/c, e */
	assert_int_equal(tree.entries[3].same_as, 1);
	assert_int_equal(
		tree.entries[1].same_as | tree.entries[2].same_as | tree.entries[4].same_as, 0);
	assert_int_equal(ff_tree_pack(&tree, &packed), 0);
	assert_int_equal(ff_tree_unpack(&copy, ff_buf_data(&packed), packed.len, &err), 0);
	assert_int_equal(copy.entries[3].same_as, 1);
	assert_int_equal(copy.entries[3].kind, FF_TREE_FILE);
	assert_int_equal(copy.entries[3].size, 4);
	ff_tree_release(&copy);
	/* Cut behind d/c, whose last four bytes are the index. */
	at = packed.len - (15 + 1 + 8);
	for (uint8_t index = 0; index < 5; index++) {
		ff_buf_data(&packed)[at - 1] = index;
		assert_int_equal(ff_tree_unpack(&copy, ff_buf_data(&packed), at, &err),
				 index == 1 ? 0 : FF_EPROTO);
		if (index == 1)
			ff_tree_release(&copy);
		else
			assert_non_null(strstr(err.text, "hard link to what is no file before it"));
	}
	assert_int_equal(ff_tree_unpack(&copy, ff_buf_data(&packed), at - 1, &err), FF_EPROTO);
	ff_buf_release(&packed);
	ff_tree_release(&tree);
}

static void problems_are_told_apart(void **state)
{
	struct ff_tree tree;
	struct ff_err err;

	rig_mkdir("src");
	assert_int_equal(mkfifo("src/pipe", 0600), 0);
	rig_text("src/.ff-x.sync-record", "ours");
	rig_text("src/closed", "x");
	chmod("src/closed", 0);
	assert_int_equal(ff_tree_scan(&tree, "src", NULL, &err), 0);
	assert_int_equal(tree.faults.len, geteuid() ? 2 : 1);
	assert_int_equal(tree.problems.len, tree.faults.len);
	for (size_t i = 0; i < tree.faults.len; i++) {
		const struct ff_sync_fault *problem = &tree.faults.v[i];

		if (problem->kind == FF_SYNC_SPECIAL) {
			assert_string_equal(problem->path, "pipe");
			assert_int_equal(problem->index, 0);
		} else {
			assert_int_equal(problem->kind, FF_SYNC_UNREADABLE);
			assert_string_equal(problem->path, "closed");
			assert_string_equal(tree.entries[problem->index].path, "closed");
		}
	}
	assert_int_equal(tree.len, 2); /* the root, and what can't be read */
	assert_string_equal(ff_sync_fault_name(FF_SYNC_SPECIAL), "special");
	ff_tree_release(&tree);
}

static bool not_link(void *ctx, const char *path, enum ff_tree_kind kind)
{
	++*(int *)ctx;
	return kind != FF_TREE_LINK;
}

static void excludes(void **state)
{
	static const struct {
		const char *pattern;
		size_t left;
	} cases[] = {
		{"*.o", 8},	 {"build", 6},	{"/build", 8}, {"b/build", 8}, {"b/*", 6},
		{"*/x.o", 9},	 {"build/", 6}, {"b.c/", 10},  {"x", 10},      {"", 10},
		{"b/build/", 8}, {"/*", 1},	{"[lb]*", 1},
	};
	struct ff_tree_filter filter = {0};
	struct ff_tree tree;
	struct ff_err err;
	int calls = 0;

	make_some();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *patterns[] = {(char *)cases[i].pattern, NULL};

		filter.exclude = patterns;
		assert_int_equal(ff_tree_scan(&tree, "src", &filter, &err), 0);
		if (tree.len != cases[i].left)
			fail_msg("%s leaves %zu", cases[i].pattern, tree.len);
		ff_tree_release(&tree);
	}
	filter = (struct ff_tree_filter){.keep = not_link, .ctx = &calls};
	assert_int_equal(ff_tree_scan(&tree, "src", &filter, &err), 0);
	assert_int_equal(tree.len, 9);
	assert_int_equal(calls, 9);
	ff_tree_release(&tree);
}

static void packs_and_unpacks(void **state)
{
	struct ff_buf bytes = FF_BUF_INIT, again = FF_BUF_INIT;
	struct ff_tree tree, copy;
	struct ff_err err;

	make_some();
	rig_text("src/\xff\n", "odd name");
	rig_mtime("src/link", -5, 999999999);
	assert_int_equal(symlink(rig_dir, "src/zout"), 0);
	rig_scan(&tree, "src");
	assert_int_equal(symlink(tree.root, "src/zroot"), 0);
	ff_tree_release(&tree);
	rig_scan(&tree, "src");
	assert_true(find(&tree, "zroot")->inside && !find(&tree, "zout")->inside);
	assert_int_equal(ff_tree_pack(&tree, &bytes), 0);
	assert_int_equal(ff_tree_unpack(&copy, ff_buf_data(&bytes), bytes.len, &err), 0);
	assert_int_equal(copy.len, tree.len);
	for (size_t i = 0; i < tree.len; i++) {
		assert_string_equal(copy.entries[i].path, tree.entries[i].path);
		assert_int_equal(copy.entries[i].parent, tree.entries[i].parent);
		assert_int_equal(copy.entries[i].name_at, tree.entries[i].name_at);
		assert_int_equal(copy.entries[i].kind, tree.entries[i].kind);
		assert_int_equal(copy.entries[i].inside, tree.entries[i].inside);
	}
	assert_int_equal(ff_tree_pack(&copy, &again), 0);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(ff_buf_data(&again), ff_buf_data(&bytes), bytes.len);
	/* Cut anywhere but between two entries, it is refused; and never read past its end. */
	for (size_t len = 0; len < bytes.len; len++) {
		struct ff_tree part;
		uint8_t *exact = malloc(len + 1);

		memcpy(exact, ff_buf_data(&bytes), len);
		exact = realloc(exact, len ? len : 1);
		if (!ff_tree_unpack(&part, exact, len, &err))
			ff_tree_release(&part);
		else
			assert_int_equal(err.code, FF_EPROTO);
		free(exact);
	}
	ff_tree_release(&tree);
	ff_tree_release(&copy);
	ff_buf_release(&bytes);
	ff_buf_release(&again);
}

struct entry {
	char kind;
	const char *path;
	size_t len; /* of path, where strlen doesn't say; else 0 */
	unsigned mode;
	const char *target;
};

static void put(struct ff_buf *out, const struct entry *entry)
{
	size_t len = entry->len ? entry->len : strlen(entry->path);
	uint8_t head[15] = {(uint8_t)entry->kind}, more[8] = {0};

	ff_put_be(head + 1, entry->mode ? entry->mode : 0755, 2);
	ff_put_be(head + 13, len, 2);
	ff_buf_add(out, head, sizeof(head));
	ff_buf_add(out, entry->path, len);
	if (entry->kind == 'f')
		ff_buf_add(out, more, 8);
	if (entry->kind == 'l' || entry->kind == 'i') {
		ff_put_be(more, strlen(entry->target), 2);
		ff_buf_add(out, more, 2);
		ff_buf_addstr(out, entry->target);
	}
}

static void refuses_what_leads_outside(void **state)
{
	static const struct {
		const char *words;
		struct entry entries[4];
	} cases[] = {
		{"absolute", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = "/etc/passwd"}}},
		{"absolute", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = "/x"}}},
		{"component", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = ".."}}},
		{"component",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = ".."},
		  {.kind = 'f', .path = "../x"}}},
		{"not inside", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = "../x"}}},
		{"not inside",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = "a"},
		  {.kind = 'f', .path = "a/../../x"}}},
		{"component",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = "a"},
		  {.kind = 'f', .path = "a/.."}}},
		{"component", {{.kind = 'd', .path = ""}, {.kind = 'd', .path = "."}}},
		{"component",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = "a"},
		  {.kind = 'f', .path = "a/"}}},
		{"not inside",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = "a"},
		  {.kind = 'f', .path = "a//b"}}},
		{"component", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = ""}}},
		{"component", {{.kind = 'd', .path = ""}, {.kind = 'd', .path = ""}}},
		{"not inside", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = "a/b"}}},
		{"not inside",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'f', .path = "a"},
		  {.kind = 'f', .path = "a/b"}}},
		{"not inside",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'l', .path = "a", .target = "/tmp"},
		  {.kind = 'f', .path = "a/b"}}},
		{"not inside",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = "ab"},
		  {.kind = 'f', .path = "a/b"}}},
		{"duplicate",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'f', .path = "a"},
		  {.kind = 'f', .path = "a"}}},
		{"duplicate",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = "a"},
		  {.kind = 'f', .path = "a/x"},
		  {.kind = 'd', .path = "a"}}},
		{"duplicate",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'l', .path = "a", .target = "/tmp"},
		  {.kind = 'd', .path = "a"}}},
		{"duplicate",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'f', .path = "b"},
		  {.kind = 'f', .path = "a"}}},
		{"not inside",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'd', .path = "a"},
		  {.kind = 'd', .path = "b"},
		  {.kind = 'f', .path = "a/x"}}},
		{"NUL", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = "a\0b", .len = 3}}},
		{"kind", {{.kind = 'd', .path = ""}, {.kind = 'c', .path = "a"}}},
		{"mode", {{.kind = 'd', .path = ""}, {.kind = 'f', .path = "a", .mode = 010644}}},
		{"temporary",
		 {{.kind = 'd', .path = ""}, {.kind = 'f', .path = ".ff-0123456789abcdef.tmp"}}},
		{"link target",
		 {{.kind = 'd', .path = ""}, {.kind = 'l', .path = "a", .target = ""}}},
		{"link target",
		 {{.kind = 'd', .path = ""}, {.kind = 'i', .path = "a", .target = "/etc"}}},
		{"link target",
		 {{.kind = 'd', .path = ""}, {.kind = 'i', .path = "a", .target = ".."}}},
		{"link target",
		 {{.kind = 'd', .path = ""}, {.kind = 'i', .path = "a", .target = "b/../../c"}}},
		{"not inside",
		 {{.kind = 'd', .path = ""},
		  {.kind = 'i', .path = "a", .target = ""},
		  {.kind = 'f', .path = "a/b"}}},
		{"root", {{.kind = 'f', .path = "a"}}},
		{"root", {{.kind = 'f', .path = ""}}},
		{"root", {{.kind = 'l', .path = "", .target = "x"}}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_buf bytes = FF_BUF_INIT;
		struct ff_tree tree = {.len = 12345};
		struct ff_err err;

		ff_buf_addstr(&bytes, "FFT1");
		for (int j = 0; j < 4 && cases[i].entries[j].kind; j++)
			put(&bytes, &cases[i].entries[j]);
		if (ff_tree_unpack(&tree, ff_buf_data(&bytes), bytes.len, &err) != FF_EPROTO ||
		    !strstr(err.text, cases[i].words))
			fail_msg("case %zu (%s): %s", i, cases[i].words, err.text);
		assert_int_equal(tree.len, 12345); /* untouched */
		ff_buf_release(&bytes);
	}
}

static void refuses_long_paths(void **state)
{
	struct ff_buf bytes = FF_BUF_INIT;
	char path[FF_TREE_PATH_MAX + 1];
	struct ff_tree tree;
	struct ff_err err;

	memset(path, 'x', sizeof(path));
	for (size_t len = FF_TREE_PATH_MAX - 1; len <= FF_TREE_PATH_MAX; len++) {
		ff_buf_clear(&bytes);
		ff_buf_addstr(&bytes, "FFT1");
		put(&bytes, &(struct entry){.kind = 'd', .path = ""});
		put(&bytes, &(struct entry){.kind = 'f', .path = path, .len = len});
		if (len < FF_TREE_PATH_MAX) {
			assert_int_equal(
				ff_tree_unpack(&tree, ff_buf_data(&bytes), bytes.len, &err), 0);
			ff_tree_release(&tree);
		} else {
			assert_int_equal(
				ff_tree_unpack(&tree, ff_buf_data(&bytes), bytes.len, &err),
				FF_EPROTO);
		}
	}
	/* As deep as a path can be. */
	ff_buf_clear(&bytes);
	ff_buf_addstr(&bytes, "FFT1");
	put(&bytes, &(struct entry){.kind = 'd', .path = ""});
	for (size_t i = 1; i < sizeof(path); i += 2)
		path[i] = '/';
	for (size_t len = 1; len < FF_TREE_PATH_MAX; len += 2)
		put(&bytes, &(struct entry){.kind = 'd', .path = path, .len = len});
	assert_int_equal(ff_tree_unpack(&tree, ff_buf_data(&bytes), bytes.len, &err), 0);
	assert_int_equal(tree.len, FF_TREE_PATH_MAX / 2 + 1);
	ff_tree_release(&tree);
	ff_buf_release(&bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

static void test_on_the_heap(void **state)
{
	char root[] = "/tmp/ff-tree-XXXXXX";
	struct ff_err err = {0};
	struct ff_tree *tree = ff_tree_new("/nonexistent", NULL, &err);

	assert_null(tree);
	assert_int_equal(err.code, FF_ESYS);
	ff_tree_free(tree);
	assert_non_null(mkdtemp(root));
	tree = ff_tree_new(root, NULL, &err);
	assert_non_null(tree);
	assert_string_equal(tree->entries[0].path, "");
	ff_tree_free(tree);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_the_heap),
		TEST(scans_in_order),
		TEST(links_into_the_tree),
		TEST(special_files_are_problems),
		TEST(hard_links),
		TEST(problems_are_told_apart),
		TEST(excludes),
		TEST(packs_and_unpacks),
		TEST(refuses_what_leads_outside),
		TEST(refuses_long_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* farflung ci: a pipeline of a CI service, ready to be kept with the sources. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "dispatch/dispatch.h"

enum { SHARDS = 4, SHARDS_MAX = 256 };

struct options {
	int64_t shards; /* 0: SHARDS */
};

static const struct ff_option options[] = {
	FF_OPTION("shards", 0, NUMBER, "N", "machines that share the tests (1 to 256; default 4)",
		  shards),
	FF_OPTIONS_END,
};

/* In both: @RUN@ is the command, @N@ the number of shards, @LIST@ them all. */
static const char github[] =
	"# Made by farflung ci github: each shard runs a part of the tests, one job merges them.\n"
	"name: tests\n"
	"on: [push, pull_request]\n"
	"\n"
	"jobs:\n"
	"  shard:\n"
	"    runs-on: ubuntu-latest\n"
	"    strategy:\n"
	"      fail-fast: false\n"
	"      matrix:\n"
	"        shard: [@LIST@]\n"
	"    steps:\n"
	"      - uses: actions/checkout@v4\n"
	"      - name: Install\n"
	"        run: |\n"
	"          farflung --version # put here what installs it, and what the tests need\n"
	"      # How long tests took: the parts are cut by that.\n"
	"      - uses: actions/cache/restore@v4\n"
	"        with:\n"
	"          path: .farflung/history.db\n"
	"          key: farflung-${{ github.run_id }}-${{ github.run_attempt }}\n"
	"          restore-keys: farflung-\n"
	"      - name: Test\n"
	"        run: @RUN@ --shard ${{ matrix.shard }}/@N@\n"
	"      - uses: actions/upload-artifact@v4\n"
	"        if: always()\n"
	"        with:\n"
	"          name: shard-${{ matrix.shard }}\n"
	"          path: .farflung/runs\n"
	"          include-hidden-files: true\n"
	"          overwrite: true\n"
	"\n"
	"  merge:\n"
	"    needs: shard\n"
	"    if: always()\n"
	"    runs-on: ubuntu-latest\n"
	"    steps:\n"
	"      - uses: actions/checkout@v4\n"
	"      - name: Install\n"
	"        run: |\n"
	"          farflung --version # as above\n"
	"      - uses: actions/cache/restore@v4\n"
	"        with:\n"
	"          path: .farflung/history.db\n"
	"          key: farflung-${{ github.run_id }}-${{ github.run_attempt }}\n"
	"          restore-keys: farflung-\n"
	"      - uses: actions/download-artifact@v4\n"
	"        with:\n"
	"          pattern: shard-*\n"
	"          path: shards\n"
	"      - name: Merge\n"
	"        run: farflung merge shards/* --junit junit.xml\n"
	"      - uses: actions/cache/save@v4\n"
	"        if: always()\n"
	"        with:\n"
	"          path: .farflung/history.db\n"
	"          key: farflung-${{ github.run_id }}-${{ github.run_attempt }}\n"
	"      - uses: actions/upload-artifact@v4\n"
	"        if: always()\n"
	"        with:\n"
	"          name: junit\n"
	"          path: junit.xml\n"
	"          overwrite: true\n";

static const char gitlab[] =
	"# Made by farflung ci gitlab: each shard runs a part of the tests, one job merges them.\n"
	"stages: [test, merge]\n"
	"\n"
	"default:\n"
	"  before_script:\n"
	"    - farflung --version # put here what installs it, and what the tests need\n"
	"\n"
	"shard:\n"
	"  stage: test\n"
	"  parallel: @N@\n"
	"  # How long tests took: the parts are cut by that.\n"
	"  cache:\n"
	"    key: farflung\n"
	"    paths: [.farflung/history.db]\n"
	"    policy: pull\n"
	"  script:\n"
	"    - rm -rf .farflung/runs # of an earlier job in the same folder\n"
	"    - @RUN@ --shard $CI_NODE_INDEX/$CI_NODE_TOTAL\n"
	"  after_script:\n"
	"    - mv .farflung/runs shard-$CI_NODE_INDEX\n"
	"  artifacts:\n"
	"    when: always\n"
	"    paths: [shard-*]\n"
	"\n"
	"merge:\n"
	"  stage: merge\n"
	"  when: always\n"
	"  cache:\n"
	"    key: farflung\n"
	"    paths: [.farflung/history.db]\n"
	"    when: always\n"
	"  script:\n"
	"    - farflung merge shard-* --junit junit.xml --codequality codequality.json\n"
	"  artifacts:\n"
	"    when: always\n"
	"    paths: [junit.xml]\n"
	"    reports:\n"
	"      junit: junit.xml\n"
	"      codequality: codequality.json # failures beside their lines\n";

static void add_list(struct ff_buf *out, int64_t shards)
{
	for (int64_t i = 1; i <= shards; i++)
		ff_buf_addf(out, "%s%" PRId64, i > 1 ? ", " : "", i);
}

static void fill_in(struct ff_buf *out, const char *text, int64_t shards)
{
	const char *run = access("farflung.yaml", F_OK) == 0 ? "farflung run" : "farflung pytest";

	while (*text) {
		size_t len = strcspn(text, "@");

		ff_buf_add(out, text, len);
		text += len;
		if (!strncmp(text, "@RUN@", 5)) {
			ff_buf_addstr(out, run);
			text += 5;
		} else if (!strncmp(text, "@N@", 3)) {
			ff_buf_addf(out, "%" PRId64, shards);
			text += 3;
		} else if (!strncmp(text, "@LIST@", 6)) {
			add_list(out, shards);
			text += 6;
		} else if (*text) {
			ff_buf_addch(out, *text++);
		}
	}
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.shards = SHARDS};
	struct ff_buf text = FF_BUF_INIT;
	char *service = NULL;
	int code = FF_EXIT_USAGE, rc = ff_command_choice(command, argc, argv, &o, &service);

	if (rc != 0)
		return rc > 0 ? FF_EXIT_OK : FF_EXIT_USAGE;
	if (o.shards < 1 || o.shards > SHARDS_MAX) {
		ff_complain("ci: --shards wants 1 to %d, got %" PRId64, SHARDS_MAX, o.shards);
	} else {
		fill_in(&text, strcmp(service, "github") == 0 ? github : gitlab, o.shards);
		code = ff_command_print(command, &text);
	}
	ff_buf_release(&text);
	ff_free(service);
	return code;
}

const struct ff_command ff_command_ci = {
	.name = "ci",
	.summary = "Print a pipeline for a CI service: shards, their history and their merger.",
	.synopsis = "[OPTIONS] github|gitlab",
	.details = "For .github/workflows/tests.yml or .gitlab-ci.yml, to be looked at and kept. "
		   "Shards run farflung.yaml\n"
		   "if there is one here, else farflung pytest. What a run says is fit for the "
		   "service by itself: see --ci\n"
		   "of farflung run.\n",
	.options = options,
	.choices = "github or gitlab",
	.run = run,
};

/* What is closed, freed or released may be NULL, as farflung.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farflung.h"
#include "io/loop_private.h"

/* tests/lint/symbols holds that none is missing. */
static void test_null(void **state)
{
	ff_arena_release(NULL);
	ff_buf_free(NULL);
	ff_buf_release(NULL);
	ff_channel_unref(NULL);
	ff_exec_source_free(NULL);
	ff_exec_source_release(NULL);
	ff_free(NULL);
	ff_gateway_free(NULL);
	ff_group_free(NULL);
	ff_ignore_release(NULL);
	ff_item_free(NULL);
	ff_item_release(NULL);
	ff_items_release(NULL);
	ff_map_release(NULL);
	ff_module_free(NULL);
	ff_multichannel_free(NULL);
	ff_names_client_free(NULL);
	ff_names_client_unsubscribe(NULL);
	ff_names_free(NULL);
	ff_names_unsubscribe(NULL);
	ff_open_release(NULL);
	ff_pack_close(NULL);
	ff_pack_free(NULL);
	ff_queue_entry_free(NULL);
	ff_queue_entry_release(NULL);
	ff_rsync_free(NULL);
	ff_strv_free(NULL);
	ff_strv_release(NULL);
	ff_sync_faults_release(NULL);
	ff_talk_free(NULL);
	ff_talk_unsubscribe(NULL);
	ff_tree_free(NULL);
	ff_tree_release(NULL);
	ff_xspec_free(NULL);
	ff_xspec_release(NULL);
	ff_timer_close(NULL, NULL);
	ff_default_group_free(0); /* there is none */
}

static void test_null_answers(void **state)
{
	assert_int_equal(ff_channel_close(NULL, NULL), 0);
	assert_int_equal(ff_channel_close(NULL, "why"), 0);
	assert_int_equal(ff_channel_file_close(NULL), 0);
	assert_int_equal(ff_loop_release(NULL), 0);
	assert_int_equal(ff_loop_free(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_null_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

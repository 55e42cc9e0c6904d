/* The tournament against looking at all keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "random.h"
#include "sched/tournament.h"

enum { PLAYERS_MAX = 600 };

/* Of the players but one: the largest key, of equals the lowest player. */
static uint32_t naive_best(const uint64_t *keys, uint32_t but)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < PLAYERS_MAX; i++)
		if (i != but && keys[i] > 0 && (best == UINT32_MAX || keys[i] > keys[best]))
			best = i;
	return best;
}

static uint64_t random_key(void)
{
	switch (random_below(4)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - random_below(2);
	default:
		return random_below(5); /* many equals */
	}
}

static void check(const struct ff_tournament *t, const uint64_t *keys)
{
	uint32_t but = random_below(2 * PLAYERS_MAX);

	assert_int_equal(ff_tournament_best(t), naive_best(keys, UINT32_MAX));
	assert_int_equal(ff_tournament_best_but(t, UINT32_MAX), naive_best(keys, UINT32_MAX));
	assert_int_equal(ff_tournament_best_but(t, but), naive_best(keys, but));
	but = ff_tournament_best(t);
	assert_int_equal(ff_tournament_best_but(t, but), naive_best(keys, but));
	for (uint32_t i = 0; i < PLAYERS_MAX; i++)
		assert_true(ff_tournament_key(t, i) == keys[i]);
}

static void test_like_looking_at_all(void **state)
{
	for (uint32_t seed = 1; seed <= 200; seed++) {
		uint64_t keys[PLAYERS_MAX] = {0};
		uint32_t players = seed < 20 ? seed : 1 + seed % PLAYERS_MAX;
		struct ff_tournament t;

		random_seed(seed);
		ff_tournament_init(&t, seed % 3 ? players : 0);
		for (int step = 0; step < 300; step++) {
			uint32_t player = random_below(players);

			keys[player] = random_key();
			ff_tournament_set(&t, player, keys[player]);
			check(&t, keys);
			/* It grows, by one or by many at a time. */
			if (one_in(40) && players < PLAYERS_MAX)
				players += 1 + random_below(PLAYERS_MAX - players);
		}
		ff_tournament_release(&t);
		assert_int_equal(t.players, 0);
	}
}

static void test_empty_and_single(void **state)
{
	struct ff_tournament t;

	ff_tournament_init(&t, 0);
	assert_int_equal(ff_tournament_best(&t), UINT32_MAX);
	assert_int_equal(ff_tournament_best_but(&t, 0), UINT32_MAX);
	assert_true(ff_tournament_key(&t, 77) == 0);
	ff_tournament_set(&t, 0, 3);
	assert_int_equal(ff_tournament_best(&t), 0);
	assert_int_equal(ff_tournament_best_but(&t, 0), UINT32_MAX);
	/* A key for somebody far off: those before are there, too, with nothing. */
	ff_tournament_set(&t, 1000, 4);
	assert_int_equal(ff_tournament_best(&t), 1000);
	assert_int_equal(ff_tournament_best_but(&t, 1000), 0);
	assert_true(ff_tournament_key(&t, 999) == 0);
	ff_tournament_release(&t);
	ff_tournament_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_looking_at_all),
		cmocka_unit_test(test_empty_and_single),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

import tallies


def test_the_program():
    assert tallies.tally("build/tally", "b\na\nb\n") == {"b": 2, "a": 1}

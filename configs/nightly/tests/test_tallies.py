import pytest

import tallies


def test_words_may_have_blanks():
    assert tallies.parse("2 b\n1 a dog\n") == {"b": 2, "a dog": 1}


def test_the_most_common():
    assert tallies.most_common({"a": 1, "b": 2, "c": 2}) == "b"


def test_nothing_is_most_common():
    assert tallies.most_common({}) is None


def test_nonsense():
    with pytest.raises(ValueError, match="no tally: 'b 2'"):
        tallies.parse("b 2\n")

import pathlib

import pytest

WORDS = pathlib.Path(__file__).parent.parent.joinpath("words.txt").read_text().split()


@pytest.mark.parametrize("word", sorted(set(WORDS)))
def test_words_are_lower_case(word):
    assert word == word.lower()


def test_there_is_a_fox():
    assert "fox" in WORDS


@pytest.mark.skip(reason="no cat in this story")
def test_there_is_a_cat():
    assert "cat" in WORDS

"""What the pocket benchmark learns from: three sets that do not meet."""

import sys
from itertools import combinations

import pytest
import torch

from l2l_core.pocket.data import ALPHABET, SONNETS, SPLITS, digits, phrases


def test_thirds_of_the_digits_do_not_meet_and_hold_every_class():
    sets = [set(digits(split).origin.tolist()) for split in SPLITS]
    assert [len(found) for found in sets] == [599] * 3
    assert all(one.isdisjoint(other) for one, other in combinations(sets, 2))
    for split in SPLITS:
        assert digits(split).labels.unique().tolist() == list(range(10))
        assert float(digits(split).pixels.min()) == 0
        assert float(digits(split).pixels.max()) == 255


def test_sonnets_have_fourteen_lines_and_share_none():
    pages = [set(text.splitlines()) for text in SONNETS]
    assert [len(text.splitlines()) for text in SONNETS] == [14, 14, 28]
    assert all(one.isdisjoint(other) for one, other in combinations(pages, 2))


@pytest.mark.parametrize("split", SPLITS)
def test_phrases_and_what_follows_read_as_the_sonnet(split):
    runs, following = phrases(split, 5)
    text = SONNETS[SPLITS.index(split)]
    assert runs.shape == (len(text) - 5, 5)
    for k in (0, 17, len(runs) - 1):
        read = "".join(ALPHABET[i] for i in [*runs[k], following[k]])
        assert read == text[k : k + 6]


def test_letters_are_few_and_in_order():
    assert list(ALPHABET) == sorted(set(ALPHABET))
    assert torch.cat([phrases(split)[0].flatten() for split in SPLITS]).max() == len(ALPHABET) - 1


@pytest.mark.parametrize("find", [digits, phrases])
def test_an_unknown_split_is_named(find):
    with pytest.raises(ValueError, match="unknown split 'score'; there are train, validation, test"):
        find("score")


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    digits.cache_clear()
    with pytest.raises(ImportError, match=r"needs scikit-learn's digits: pip install 'l2l-core\[book\]'"):
        digits("test")

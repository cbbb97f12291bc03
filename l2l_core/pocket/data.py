"""What the pocket benchmark learns from: scikit-learn's digits and four sonnets, on every machine the same."""

from functools import cache

import torch
from torch import Tensor

from l2l_core.data import Images

SPLITS = ("train", "validation", "test")
"""Three sets that do not meet: for the reader's meta-training, for tuning, for the benchmark's runs."""


@cache
def digits(split: str) -> Images:
    """A third of scikit-learn's 1,797 handwritten digits: pixels of 0 … 255 `[599, 64]`, in an order fixed once.

    Raises ValueError for an unknown split, ImportError without scikit-learn.
    """
    k, order = _place(split), torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("the pocket benchmark needs scikit-learn's digits: pip install 'l2l-core[book]'") from error
    whole, chosen = load_digits(), order[599 * k : 599 * (k + 1)]
    pixels = torch.tensor(whole.data / 16 * 255, dtype=torch.float32)[chosen]
    return Images(pixels, torch.tensor(whole.target, dtype=torch.int64)[chosen], chosen, "scikit-learn's digits")


@cache
def phrases(split: str, length: int = 8) -> tuple[Tensor, Tensor]:
    """Every run of `length` characters of a split's sonnets as numbers `[N, length]`, and what follows each `[N]`.

    Raises ValueError for an unknown split.
    """
    numbers = torch.tensor([ALPHABET.index(letter) for letter in SONNETS[_place(split)]])
    runs = numbers.unfold(0, length + 1, 1)
    return runs[:, :-1], runs[:, -1]


def _place(split: str) -> int:
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; there are {', '.join(SPLITS)}")
    return SPLITS.index(split)


_18 = """\
shall i compare thee to a summer's day?
thou art more lovely and more temperate:
rough winds do shake the darling buds of may,
and summer's lease hath all too short a date;
sometime too hot the eye of heaven shines,
and often is his gold complexion dimm'd;
and every fair from fair sometime declines,
by chance or nature's changing course untrimm'd;
but thy eternal summer shall not fade,
nor lose possession of that fair thou ow'st;
nor shall death brag thou wander'st in his shade,
when in eternal lines to time thou grow'st:
so long as men can breathe or eyes can see,
so long lives this, and this gives life to thee.
"""
_29 = """\
when, in disgrace with fortune and men's eyes,
i all alone beweep my outcast state,
and trouble deaf heaven with my bootless cries,
and look upon myself and curse my fate,
wishing me like to one more rich in hope,
featured like him, like him with friends possess'd,
desiring this man's art and that man's scope,
with what i most enjoy contented least;
yet in these thoughts myself almost despising,
haply i think on thee, and then my state,
like to the lark at break of day arising
from sullen earth, sings hymns at heaven's gate;
for thy sweet love remember'd such wealth brings
that then i scorn to change my state with kings.
"""
_73 = """\
that time of year thou mayst in me behold
when yellow leaves, or none, or few, do hang
upon those boughs which shake against the cold,
bare ruin'd choirs, where late the sweet birds sang.
in me thou see'st the twilight of such day
as after sunset fadeth in the west,
which by and by black night doth take away,
death's second self, that seals up all in rest.
in me thou see'st the glowing of such fire
that on the ashes of his youth doth lie,
as the death-bed whereon it must expire,
consumed with that which it was nourish'd by.
this thou perceiv'st, which makes thy love more strong,
to love that well which thou must leave ere long.
"""
_116 = """\
let me not to the marriage of true minds
admit impediments. love is not love
which alters when it alteration finds,
or bends with the remover to remove:
o no! it is an ever-fixed mark
that looks on tempests and is never shaken;
it is the star to every wandering bark,
whose worth's unknown, although his height be taken.
love's not time's fool, though rosy lips and cheeks
within his bending sickle's compass come;
love alters not with his brief hours and weeks,
but bears it out even to the edge of doom.
if this be error and upon me proved,
i never writ, nor no man ever loved.
"""

SONNETS = (_29, _18, _73 + _116)
"""Shakespeare 1609, in modern spelling and small letters: one to train on, one to tune on, two to test on."""

ALPHABET = "".join(sorted(set("".join(SONNETS))))
"""Every character that occurs, in the order of their numbers."""

"""How many examples a dear law takes of its own choice: fewer where the profile `few` wants fewer of every law."""

from hypothesis import settings

USUAL = 100  # examples of a law that says nothing itself


def examples(wanted: int) -> int:
    """So many examples; where a profile takes fewer than usual, fewer by the same factor, and two at least."""
    profile = settings.default
    assert profile is not None
    return max(2, wanted * min(profile.max_examples, USUAL) // USUAL)

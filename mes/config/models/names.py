"""The shape of display names in a plant's file: what people read in place of an id, by language."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MOST_CHARACTERS = 60


def visible(text: object) -> object:
    """Refuses a name that cannot be seen, or that changes how the text around it is written."""
    if text is None or (isinstance(text, str) and not text.strip()):
        raise ValueError("the name is empty: write it, or delete the key")
    if isinstance(text, str) and not text.isprintable():  # control characters, line breaks, bidirectional overrides
        raise ValueError("the name has a character that cannot be seen: delete control characters and direction marks")
    return text


# None: the key is not there; one without a value is refused
DisplayName = Annotated[
    Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)] | None, BeforeValidator(visible)
]


class NamesShape(BaseModel):
    """What people call a thing, by language. A language that is not given falls back to English, then to the id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: Annotated[DisplayName, Field(description="its name in English")] = None
    ru: Annotated[DisplayName, Field(description="its name in Russian")] = None
    kk: Annotated[DisplayName, Field(description="its name in Kazakh")] = None


class NamedShape(BaseModel):
    """Something that the file mentions elsewhere by its id, with its display names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: NamesShape

"""What the board says where something is refused, by the refusal's code, in English, Russian and Kazakh."""

from collections.abc import Mapping
from datetime import datetime

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from mes.board.context import Fact, HttpProblem
from mes.board.pages.rendering import Localizer
from mes.translations import LANGUAGES
from mes.translations import Fact as Shown
from mes.translations import text as translated

LANGUAGE = "taktline-language"  # the cookie
NO_STORE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
WORDS = frozenset({"who", "role"})  # facts that are words of the board


def language_of(request: HTTPConnection) -> str:
    """The chosen language, else the first of the browser's that there is, else English."""
    chosen = request.cookies.get(LANGUAGE)
    if chosen in LANGUAGES:
        return str(chosen)
    for preference in request.headers.get("accept-language", "").split(","):
        short = preference.split(";")[0].strip()[:2].lower()
        if short in LANGUAGES:
            return short
    return LANGUAGES[0]


def sentence(refused: HttpProblem, localizer: Localizer) -> str:
    """The refusal in a page's language, times in the site's zone."""
    facts = {name: _fact(name, value, localizer) for name, value in refused.facts.items()}
    return refusal_text(localizer.language, refused.code, facts)


def refusal_text(language: str, code: str, facts: Mapping[str, Shown] | None = None) -> str:
    """The sentence of a refusal in a language, its facts as they are given."""
    return translated(language, f"refusal.{code}", facts)


def _fact(name: str, value: Fact, localizer: Localizer) -> Shown:
    match value:
        case datetime():
            return localizer.moment(value)
        case str() if name == "station":
            return localizer.place(value)
        case str() if name == "product":
            return localizer.product(value)
        case str() if name == "permission":
            return localizer.texts[f"permission.{value}"]
        case str() if name in WORDS:
            return localizer.word(value)
        case str() if name == "name":
            return localizer.person(value)
        case _:
            return value


def accounts_unavailable(error: Exception) -> HttpProblem:
    """The refusal while the accounts cannot be read; `error` says why, in English."""
    return HttpProblem(503, "accounts_unavailable", {"why": str(error)})


def code_of(status: int) -> str:
    """What a refusal of the frameworks below is called."""
    return {404: "not_found", 405: "method_not_allowed"}.get(status, "request_invalid")


def refusal(scope: Scope, status: int, code: str, headers: Mapping[str, str] | None = None, **facts: str) -> Response:
    """The answer to a request that no page has seen yet, in the client's language."""
    request = HTTPConnection(scope)
    text = refusal_text(language_of(request), code, facts)
    if scope["path"].startswith("/api"):
        return JSONResponse({"detail": text, "code": code}, status_code=status, headers=headers)
    return PlainTextResponse(text + "\n", status_code=status, headers=headers)

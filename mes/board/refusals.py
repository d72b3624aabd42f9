"""What a page says where something is refused, by the refusal's code, in English, Russian and Kazakh."""

from collections.abc import Mapping
from datetime import datetime

from mes.board.drawing import Speech
from mes.board.site import Refused
from mes.report.words import LANGUAGES

# code: English, Russian, Kazakh; the names in braces are the facts of the refusal
SENTENCES: Mapping[str, tuple[str, str, str]] = {
    "reason_in_future": (
        "A reason is given to the past. Now it is {now}.",
        "Причину указывают для прошедшего времени. Сейчас {now}.",
        "Себеп өткен уақытқа көрсетіледі. Қазір {now}.",
    ),
    "reason_before_history": (
        "Nothing is known of {station} before {since}. A reason begins there or later.",
        "До {since} о станции {station} нет данных. Причина не может начинаться раньше.",
        "{since} дейін {station} станциясы туралы дерек жоқ. Себеп одан ерте басталмайды.",
    ),
    "reason_outside_stop": (
        "{station} was not in one stop from {start} to {end}. A reason holds within the stop that is shown.",
        (
            "С {start} до {end} у станции {station} не было одной остановки. "
            "Причина действует в пределах показанной остановки."
        ),
        (
            "{start} – {end} аралығында {station} станциясында бір тоқтау болған жоқ. "
            "Себеп көрсетілген тоқтаудың ішінде ғана."
        ),
    ),
    "reason_outside_shown": (
        "{at} is not within the stop that is shown, {start} to {end}. Give a time within it.",
        "{at} вне показанной остановки ({start} – {end}). Укажите время внутри неё.",
        "{at} көрсетілген тоқтаудан тыс ({start} – {end}). Оның ішіндегі уақытты көрсетіңіз.",
    ),
    "shift_closed": (
        (
            "The shift of {station} from {start} to {end} is closed. "
            "A team leader or an engineer opens it again on the page Handover."
        ),
        (
            "Смена станции {station} с {start} до {end} закрыта. "
            "Мастер или инженер может открыть её снова на странице «Сдача смены»."
        ),
        (
            "{station} станциясының {start} – {end} ауысымы жабық. "
            "Шебер немесе инженер оны «Ауысым тапсыру» бетінде қайта аша алады."
        ),
    ),
    "reason_too_old": (
        "You can give reasons from {since} on. Ask {who} for an older stop.",
        "Вы можете указывать причины начиная с {since}. Для более ранней остановки обратитесь: {who}.",
        "Себепті {since} бастап көрсете аласыз. Одан ескі тоқтау үшін хабарласыңыз: {who}.",
    ),
}


def sentence(refused: Refused, speech: Speech) -> str:
    """The refusal in a page's language, times in the site's zone; what has no code of its own as it was said."""
    texts = SENTENCES.get(refused.code)
    if texts is None:
        return refused.detail
    return texts[LANGUAGES.index(speech.language)].format(
        **{name: _fact(name, value, speech) for name, value in refused.facts.items()}
    )


def _fact(name: str, value: str | int | datetime, speech: Speech) -> str:
    match value:
        case datetime():
            return speech.moment(value)
        case str() if name == "station":
            return speech.place(value)
        case str():
            return speech.word(value)
        case _:
            return str(value)

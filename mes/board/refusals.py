"""What the board says where something is refused, by the refusal's code, in English, Russian and Kazakh."""

from collections.abc import Mapping
from datetime import datetime

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from mes.board.context import Fact, HttpProblem
from mes.board.pages.rendering import Localizer
from mes.report.words import LANGUAGES

LANGUAGE = "taktline-language"  # the cookie
WORDS = frozenset({"who", "role"})  # facts that are words of the board

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
    "reason_unknown": (
        "{station} has no reason {reason}. Choose one of those that are offered.",
        "У станции {station} нет причины {reason}. Выберите одну из предложенных.",
        "{station} станциясында {reason} себебі жоқ. Ұсынылғандардың бірін таңдаңыз.",
    ),
    "end_not_after_start": (
        "The end is not after the start. Correct one of the two times.",
        "Конец не позже начала. Исправьте одно из двух времён.",
        "Аяқталуы басталуынан кейін емес. Екі уақыттың бірін түзетіңіз.",
    ),
    "said_meanwhile": (
        "Somebody has given another reason meanwhile. Look again.",
        "Кто-то уже указал другую причину. Посмотрите ещё раз.",
        "Осы арада біреу басқа себеп көрсетті. Қайта қараңыз.",
    ),
    "said_since": (
        "Somebody has given another reason for this time since. Correct that one.",
        "После этого для того же времени указали другую причину. Исправьте её.",
        "Содан кейін осы уақытқа басқа себеп көрсетілді. Соны түзетіңіз.",
    ),
    "no_such_reason": (
        "Entry {seq} gives no reason. Choose one from the list of reasons given.",
        "Запись {seq} не содержит причины. Выберите запись из списка указанных причин.",
        "{seq} жазбасында себеп жоқ. Көрсетілген себептер тізімінен таңдаңыз.",
    ),
    "shift_not_over": (
        "The shift lasts until {end}, and data is known until {known}. Close it later.",
        "Смена длится до {end}, а данные есть до {known}. Закройте её позже.",
        "Ауысым {end} дейін жалғасады, ал деректер {known} дейін бар. Оны кейінірек жабыңыз.",
    ),
    "shift_closed_already": (
        "The shift is closed already. A team leader or an engineer opens it again on the page Handover.",
        "Смена уже закрыта. Мастер или инженер может открыть её снова на странице «Сдача смены».",
        "Ауысым жабылып қойған. Шебер немесе инженер оны «Ауысым тапсыру» бетінде қайта аша алады.",
    ),
    "stops_without_reason": (
        "Stops without a reason: {stops}, the first from {start}. Give their reasons first.",
        "Остановок без причины: {stops}, первая с {start}. Сначала укажите их причины.",
        "Себебі жоқ тоқтаулар: {stops}, біріншісі {start} бастап. Алдымен олардың себебін көрсетіңіз.",
    ),
    "shift_not_closed": (
        "The shift is not closed, so it needs no opening.",
        "Смена не закрыта, открывать её не нужно.",
        "Ауысым жабылмаған, оны ашудың қажеті жоқ.",
    ),
    "reopen_without_why": (
        "Say why the shift is opened again.",
        "Укажите, почему смену открывают снова.",
        "Ауысымның неге қайта ашылатынын жазыңыз.",
    ),
    "decision_without_why": (
        "Say how the number of parts is known.",
        "Укажите, откуда известно число деталей.",
        "Бөлшек саны қайдан белгілі екенін жазыңыз.",
    ),
    "count_not_whole": (
        "A number of parts is a whole number, 0 or more.",
        "Число деталей — целое, 0 или больше.",
        "Бөлшек саны — бүтін сан, 0 немесе одан көп.",
    ),
    "count_passed": (
        "{parts} parts cannot be: the counter did not go on from {raw}. Only 0 is possible.",
        "{parts} деталей быть не может: счётчик не пошёл дальше от {raw}. Возможен только 0.",
        "{parts} бөлшек болуы мүмкін емес: санауыш {raw} мәнінен әрі жүрмеді. Тек 0 болуы мүмкін.",
    ),
    "count_open": (
        "{parts} parts cannot be booked yet: the counter has not moved since {raw}. Wait for its next count.",
        "{parts} деталей пока нельзя записать: счётчик не двигался после {raw}. Дождитесь следующего счёта.",
        "{parts} бөлшекті әзірге жазуға болмайды: санауыш {raw} мәнінен бері қозғалмады. Келесі санауды күтіңіз.",
    ),
    "count_too_many": (
        "{parts} parts cannot be: at most {most} are possible in this time. Correct the number, or ask an engineer.",
        "{parts} деталей быть не может: за это время возможно не больше {most}. Исправьте число или спросите инженера.",
        "{parts} бөлшек болуы мүмкін емес: бұл уақытта ең көбі {most}. Санды түзетіңіз немесе инженерден сұраңыз.",
    ),
    "no_ideal_cycle": (
        "{station} has no ideal cycle time for {product}. Choose another product, or ask an engineer.",
        "Для станции {station} не задан идеальный цикл: {product}. Выберите другое изделие или спросите инженера.",
        "{station} станциясында {product} үшін идеал цикл берілмеген. Басқа өнімді таңдаңыз не инженерден сұраңыз.",
    ),
    "product_needed": (
        "Say which product was made.",
        "Укажите, какое изделие сделано.",
        "Қай өнім жасалғанын көрсетіңіз.",
    ),
    "product_unknown": (
        "The plant has no product {product}.",
        "На заводе нет изделия {product}.",
        "Зауытта {product} өнімі жоқ.",
    ),
    "no_doubtful_count": (
        "Entry {number} is no count that a person has to decide.",
        "Запись {number} не требует решения о числе деталей.",
        "{number} жазбасы бөлшек саны туралы шешімді қажет етпейді.",
    ),
    "sign_in_first": (
        "Sign in first.",
        "Сначала войдите.",
        "Алдымен кіріңіз.",
    ),
    "not_allowed": (
        "{name} ({role}) may not do this. Ask a team leader or an engineer.",
        "{name} ({role}) не может этого сделать. Обратитесь к мастеру или инженеру.",
        "{name} ({role}) мұны істей алмайды. Шеберге немесе инженерге хабарласыңыз.",
    ),
    "wrong_password": (
        "Name or password is wrong.",
        "Неверное имя или пароль.",
        "Аты немесе құпиясөз қате.",
    ),
    "wrong_code": (
        "This code is wrong or too old. Ask for another one.",
        "Код неверен или устарел. Запросите новый.",
        "Код қате немесе ескірген. Жаңасын сұраңыз.",
    ),
    "too_many_failures": (
        "Too many failures. Try again in {minutes} min.",
        "Слишком много неудачных попыток. Повторите через {minutes} мин.",
        "Сәтсіз әрекет тым көп. {minutes} мин кейін қайталаңыз.",
    ),
    "accounts_unavailable": (
        "The accounts cannot be read now. An engineer finds the cause in the program's log.",
        "Учётные записи сейчас недоступны. Инженер найдёт причину в журнале программы.",
        "Тіркелгілерді қазір оқу мүмкін емес. Инженер себебін бағдарлама журналынан табады.",
    ),
    "foreign_page": (
        "This was sent from a page of another site. Open the board itself and try again.",
        "Это отправлено со страницы другого сайта. Откройте само табло и повторите.",
        "Бұл басқа сайттың бетінен жіберілді. Таблоның өзін ашып, қайталаңыз.",
    ),
    "session_changed": (
        "This page is of another session. Load it again and try once more.",
        "Эта страница от другого входа. Загрузите её заново и повторите.",
        "Бұл бет басқа кіруден қалған. Оны қайта жүктеп, қайталаңыз.",
    ),
    "host_missing": (
        "The request does not say which host it is for.",
        "В запросе не указано, какому узлу он предназначен.",
        "Сұрауда оның қай торапқа арналғаны көрсетілмеген.",
    ),
    "host_unknown": (
        "This board does not go by the name {host}. `web.hosts` in the plant's file allows more names.",
        "Это табло не носит имя {host}. Другие имена разрешает `web.hosts` в файле завода.",
        "Бұл таблоның аты {host} емес. Басқа аттарға зауыт файлындағы `web.hosts` рұқсат береді.",
    ),
    "part_unknown": (
        "The plant has no part {part}. Choose one from the list.",
        "На заводе нет участка {part}. Выберите участок из списка.",
        "Зауытта {part} бөлігі жоқ. Тізімнен таңдаңыз.",
    ),
    "window_unknown": (
        "There is no shift or day {window}. Choose one from the list.",
        "Нет смены или дня {window}. Выберите из списка.",
        "{window} ауысымы немесе күні жоқ. Тізімнен таңдаңыз.",
    ),
    "definition_unknown": (
        "There is no definition of OEE {definition}. Choose one from the list.",
        "Нет определения OEE {definition}. Выберите из списка.",
        "{definition} деген OEE анықтамасы жоқ. Тізімнен таңдаңыз.",
    ),
    "controller_unknown": (
        "There is no controller {controller}.",
        "Нет контроллера {controller}.",
        "{controller} контроллері жоқ.",
    ),
    "unit_unknown": (
        "Nothing was seen of {unit}. Check the number.",
        "О {unit} ничего не известно. Проверьте номер.",
        "{unit} туралы ештеңе белгісіз. Нөмірін тексеріңіз.",
    ),
    "journal_empty": (
        "The journal is empty. Is the collector running?",
        "Журнал пуст. Работает ли сбор данных?",
        "Журнал бос. Деректер жиналып жатыр ма?",
    ),
    "page_too_long": (
        "A page shows a week at most. Longer times are in reports and in the interface.",
        "Страница показывает не больше недели. Более длинные периоды — в отчётах и в интерфейсе.",
        "Бет ең көбі бір аптаны көрсетеді. Ұзағырақ кезеңдер есептерде және интерфейсте.",
    ),
    "span_too_long": (
        "At most {days} days are given at once, and the end comes after the start. Ask for less.",
        "За один раз — не больше {days} дней, и конец позже начала. Запросите меньше.",
        "Бір ретте ең көбі {days} күн, аяқталуы басталуынан кейін. Азырақ сұраңыз.",
    ),
    "too_many_windows": (
        "{windows} windows are too many for one answer, at most {most}. Ask for at most {days} days at once.",
        "{windows} периодов — слишком много для одного ответа, не больше {most}. Запросите не более {days} дней.",
        "Бір жауапқа {windows} кезең тым көп, ең көбі {most}. Бір ретте {days} күннен артық сұрамаңыз.",
    ),
    "too_many_questions": (
        "Too many long questions wait already. Try again in a minute.",
        "Уже ждёт слишком много долгих запросов. Повторите через минуту.",
        "Ұзақ сұраулар тым көп күтіп тұр. Бір минуттан кейін қайталаңыз.",
    ),
    "no_programme": (
        "The plant's file has no build programme.",
        "В файле завода нет производственной программы.",
        "Зауыт файлында өндіріс бағдарламасы жоқ.",
    ),
    "programme_months": (
        "A programme is given for whole months of one year.",
        "Программа даётся за целые месяцы одного года.",
        "Бағдарлама бір жылдың толық айларына беріледі.",
    ),
    "not_a_time": (
        "{text} is no time. Write it as 14:05 or 14:05:30.",
        "{text} — не время. Напишите как 14:05 или 14:05:30.",
        "{text} — уақыт емес. 14:05 немесе 14:05:30 деп жазыңыз.",
    ),
    "form_unreadable": (
        "The form could not be read ({field}). Load the page again and try once more.",
        "Форму не удалось прочитать ({field}). Загрузите страницу заново и повторите.",
        "Форманы оқу мүмкін болмады ({field}). Бетті қайта жүктеп, қайталаңыз.",
    ),
    "cable_unknown": (
        "There is no simulated controller {controller} here.",
        "Здесь нет модели контроллера {controller}.",
        "Мұнда {controller} контроллерінің үлгісі жоқ.",
    ),
    "cable_refused": (
        "The run is over, the cables stay as they are.",
        "Прогон закончен, кабели остаются как есть.",
        "Іске қосу аяқталды, кабельдер сол күйінде қалады.",
    ),
    "language_unknown": (
        "There is no such language.",
        "Такого языка нет.",
        "Мұндай тіл жоқ.",
    ),
    "request_invalid": (
        "The request makes no sense: {problems}",
        "Запрос составлен неверно: {problems}",
        "Сұрау дұрыс құрылмаған: {problems}",
    ),
    "not_found": ("There is no such page.", "Такой страницы нет.", "Мұндай бет жоқ."),
    "method_not_allowed": (
        "This address does not take such a request.",
        "Этот адрес не принимает такой запрос.",
        "Бұл мекенжай мұндай сұрауды қабылдамайды.",
    ),
    "page_failed": (
        "This page has failed. The program's log says how.",
        "Страница не открылась из-за ошибки. Подробности в журнале программы.",
        "Бет қатеден ашылмады. Толығырақ бағдарлама журналында.",
    ),
    "request_too_slow": (
        "The request did not arrive in time. Send it again.",
        "Запрос не пришёл вовремя. Отправьте его ещё раз.",
        "Сұрау уақытында келмеді. Оны қайта жіберіңіз.",
    ),
    "request_too_large": (
        "The request is too large. Send less at once.",
        "Запрос слишком большой. Отправьте меньше за один раз.",
        "Сұрау тым үлкен. Бір ретте азырақ жіберіңіз.",
    ),
    "head_too_large": (
        "The head of the request is too large. Delete this site's cookies.",
        "Заголовок запроса слишком большой. Удалите cookie этого сайта.",
        "Сұраудың тақырыбы тым үлкен. Осы сайттың cookie файлдарын жойыңыз.",
    ),
    "too_many_clients": (
        "Too many clients use the board. Close other pages, or try again in a minute.",
        "Табло открыто у слишком многих. Закройте другие страницы или повторите через минуту.",
        "Таблоны тым көп адам ашқан. Басқа беттерді жабыңыз немесе бір минуттан кейін қайталаңыз.",
    ),
}


def language_of(request: HTTPConnection) -> str:
    """The chosen language, else the first of the browser's that there is, else English."""
    chosen = request.cookies.get(LANGUAGE)
    if chosen in LANGUAGES:
        return str(chosen)
    for each in request.headers.get("accept-language", "").split(","):
        short = each.split(";")[0].strip()[:2].lower()
        if short in LANGUAGES:
            return short
    return LANGUAGES[0]


def sentence(refused: HttpProblem, localizer: Localizer) -> str:
    """The refusal in a page's language, times in the site's zone."""
    facts = {name: _fact(name, value, localizer) for name, value in refused.facts.items()}
    return SENTENCES[refused.code][LANGUAGES.index(localizer.language)].format(**facts)


def _fact(name: str, value: Fact, localizer: Localizer) -> str:
    match value:
        case datetime():
            return localizer.moment(value)
        case str() if name == "station":
            return localizer.place(value)
        case str() if name in WORDS:
            return localizer.word(value)
        case _:
            return str(value)


def code_of(status: int) -> str:
    """What a refusal of the frameworks below is called."""
    return {404: "not_found", 405: "method_not_allowed"}.get(status, "request_invalid")


def refusal(scope: Scope, status: int, code: str, headers: Mapping[str, str] | None = None, **facts: str) -> Response:
    """The answer to a request that no page has seen yet, in the client's language."""
    request = HTTPConnection(scope)
    text = SENTENCES[code][LANGUAGES.index(language_of(request))].format(**facts)
    if scope["path"].startswith("/api"):
        return JSONResponse({"detail": text, "code": code}, status_code=status, headers=headers)
    return PlainTextResponse(text + "\n", status_code=status, headers=headers)

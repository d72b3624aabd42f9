"""The board's words in English, Russian and Kazakh, beside those of the printed reports."""

from collections.abc import Mapping
from functools import cache

from mes.report.words import LANGUAGES
from mes.report.words import words as report_words

__all__ = ["GLOSSARY", "LANGUAGES", "glossary", "words"]

# key: English, Russian, Kazakh
_TABLE: Mapping[str, tuple[str, str, str]] = {
    "wall": ("Wall", "Табло", "Табло"),
    "shift": ("Shift", "Смена", "Ауысым"),
    "stops_page": ("Stops", "Остановки", "Тоқтаулар"),
    "car": ("Car", "Машина", "Көлік"),
    "handover": ("Handover", "Сдача смены", "Ауысым тапсыру"),
    "programme": ("Programme", "Программа", "Бағдарлама"),
    "counters": ("Counters", "Счётчики", "Санауыштар"),
    "glossary": ("Glossary", "Словарь", "Сөздік"),
    "audit": ("Audit log", "Журнал изменений", "Өзгерістер журналы"),
    "skip": ("To the content", "К содержанию", "Мазмұнға өту"),
    "main_pages": ("Pages", "Страницы", "Беттер"),
    "language": ("Language", "Язык", "Тіл"),
    "sign_in": ("Sign in", "Войти", "Кіру"),
    "sign_out": ("Sign out", "Выйти", "Шығу"),
    "name": ("Name", "Имя", "Аты"),
    "password": ("Password", "Пароль", "Құпиясөз"),
    "signed_in_as": ("Signed in as", "Вы вошли как", "Кірген"),
    "no_account": (
        "No account yet? An engineer makes one with `mes user add`.",
        "Нет учётной записи? Инженер создаёт её командой `mes user add`.",
        "Тіркелгі жоқ па? Инженер оны `mes user add` командасымен жасайды.",
    ),
    "enrol": ("Enrol this tablet", "Подключить планшет", "Планшетті тіркеу"),
    "enrol_about": (
        "An engineer makes a code for a station with `mes user tablet`. It holds for 15 minutes.",
        "Инженер создаёт код для станции командой `mes user tablet`. Он действует 15 минут.",
        "Инженер станцияға кодты `mes user tablet` командасымен жасайды. Ол 15 минут жарамды.",
    ),
    "code": ("Code", "Код", "Код"),
    "viewer": ("viewer", "наблюдатель", "бақылаушы"),
    "operator": ("operator", "оператор", "оператор"),
    "team_leader": ("team leader", "мастер", "шебер"),
    "engineer": ("engineer", "инженер", "инженер"),
    "collector": ("Collector", "Сборщик", "Жинағыш"),
    "alive_well": ("collects", "собирает данные", "дерек жинап тұр"),
    "alive_not": ("does not collect", "не собирает данные", "дерек жинамай тұр"),
    "oldest": ("oldest reading", "самое старое показание", "ең ескі көрсеткіш"),
    "seconds": ("s", "с", "с"),
    "unit_min": ("min", "мин", "мин"),
    "unit_h": ("h", "ч", "сағ"),
    "stale": (
        "No connection to the board since {}. What you see is old.",
        "Нет связи с табло с {}. Данные устарели.",
        "{} бастап таблоға байланыс жоқ. Деректер ескірген.",
    ),
    "simulated": (
        "A simulated plant: pull a cable and see what happens",
        "Модель завода: отсоедините кабель и посмотрите, что будет",
        "Зауыт моделі: кабельді ажыратып, не болатынын көріңіз",
    ),
    "pull_cable": ("Pull the cable of", "Отсоединить", "Ажырату:"),
    "plug_in": ("Plug in", "Подключить", "Қосу:"),
    "line_runs": ("Line runs", "Линия работает", "Желі жұмыс істеп тұр"),
    "end_waits": ("The end of the line waits for", "Конец линии ждёт:", "Желінің соңы күтіп тұр:"),
    "not_planned_now": ("No work planned now", "Сейчас работа не запланирована", "Қазір жұмыс жоспарланбаған"),
    "off_shift": ("off shift", "вне смены", "ауысымнан тыс"),
    "day": ("day shift", "дневная смена", "күндізгі ауысым"),
    "night": ("night shift", "ночная смена", "түнгі ауысым"),
    "of_plan": ("of", "из", "жоспар"),
    "planned_so_far": ("planned so far", "план на сейчас", "қазіргі жоспар"),
    "whole_shift": ("whole shift", "вся смена", "бүкіл ауысым"),
    "cycle": ("cycle", "цикл", "цикл"),
    "ideal": ("ideal", "идеал", "идеал"),
    "no_car": ("no car", "нет машины", "көлік жоқ"),
    "no_reason": ("no reason yet", "причина не указана", "себебі көрсетілмеген"),
    "say_why": ("Say why", "Указать причину", "Себебін көрсету"),
    "why_does_it_stand": ("Why does it stand?", "Почему стоит?", "Неге тұр?"),
    "unexplained_count": ("stops without a reason", "остановок без причины", "себепсіз тоқтау"),
    "waiting": ("waiting", "ждут", "күтуде"),
    "places": ("places", "мест", "орын"),
    "empty_journal": (
        "Nothing was collected yet. This page fills by itself once a controller answers.",
        "Данных ещё нет. Страница заполнится сама, когда ответит контроллер.",
        "Әзірге дерек жоқ. Контроллер жауап бергенде бет өзі толады.",
    ),
    "trouble_accounts": (
        "Nobody can sign in, because the accounts cannot be read:",
        "Войти нельзя: учётные записи не читаются:",
        "Кіру мүмкін емес: есептік жазбалар оқылмайды:",
    ),
    "trouble_events": (
        "Events of the journal that are damaged are left out of every figure:",
        "Повреждённые записи журнала не входят ни в один показатель:",
        "Журналдың бүлінген жазбалары ешбір көрсеткішке кірмейді:",
    ),
    "trouble_newer": (
        "Events of a newer version of the program are left out of every figure:",
        "Записи более новой версии программы не входят ни в один показатель:",
        "Бағдарламаның жаңарақ нұсқасының жазбалары ешбір көрсеткішке кірмейді:",
    ),
    "trouble_board": (
        "The board could not be served:",
        "Табло не работало:",
        "Табло жұмыс істемеді:",
    ),
    "trouble_influx": (
        "Nothing goes to InfluxDB at the moment:",
        "В InfluxDB сейчас ничего не передаётся:",
        "Қазір InfluxDB-ге ештеңе берілмейді:",
    ),
    "choose": ("Show", "Показать", "Көрсету"),
    "part": ("Part of the plant", "Участок", "Учаске"),
    "window": ("Time", "Время", "Уақыт"),
    "definition_of": ("Definition of OEE", "Определение OEE", "OEE анықтамасы"),
    "previous": ("Previous", "Назад", "Алдыңғы"),
    "next": ("Next", "Вперёд", "Келесі"),
    "now_running": ("still running", "ещё идёт", "әлі жүріп жатыр"),
    "data_up_to": ("data up to", "данные до", "деректер мына уақытқа дейін"),
    "largest": ("largest loss", "главная потеря", "басты шығын"),
    "hours_title": ("Hour by hour: plan and actual", "По часам: план и факт", "Сағат сайын: жоспар мен нақты"),
    "plan": ("plan", "план", "жоспар"),
    "speed": ("speed", "скорость", "жылдамдық"),
    "idle_loss": ("idle", "ожидание", "бос тұру"),
    "details": ("Details", "Подробно", "Толығырақ"),
    "spans": ("Every state", "Все состояния", "Барлық күйлер"),
    "events": ("Events", "События", "Оқиғалар"),
    "raw": ("Raw readings", "Исходные показания", "Бастапқы көрсеткіштер"),
    "raw_about": (
        "What the controller showed, and what that was counted as. These rows make the figures above.",
        "Что показал контроллер и как это учтено. Из этих строк получены цифры выше.",
        "Контроллер не көрсетті және ол қалай есептелді. Жоғарыдағы сандар осы жолдардан.",
    ),
    "state": ("state", "состояние", "күй"),
    "counts_as": ("counts as", "учтено как", "есептелуі"),
    "fault": ("fault code", "код ошибки", "қате коды"),
    "time": ("time", "время", "уақыт"),
    "lasted": ("lasted", "длилось", "ұзақтығы"),
    "counter": ("counter", "счётчик", "санауыш"),
    "showed": ("showed", "показал", "көрсетті"),
    "before": ("before", "до этого", "бұрын"),
    "units": ("units", "единиц", "дана"),
    "remark": ("remark", "примечание", "ескерту"),
    "normal": ("as usual", "обычно", "қалыпты"),
    "catch_up": ("made while nobody looked", "сделано, пока не было связи", "байланыс жоқта жасалған"),
    "rollover": ("totaliser turned over", "счётчик перешёл через ноль", "санауыш нөлден өтті"),
    "remapped": ("read from another place", "читается из другого места", "басқа жерден оқылады"),
    "total": ("all", "всего", "барлығы"),
    "part_of_it": ("Only a part of it", "Только часть", "Тек бір бөлігі"),
    "together": ("Together with the stop before", "Вместе с предыдущей", "Алдыңғысымен бірге"),
    "comment": ("Comment", "Комментарий", "Түсініктеме"),
    "more_reasons": ("More reasons", "Ещё причины", "Басқа себептер"),
    "take_back": ("Take the reason back", "Убрать причину", "Себепті алып тастау"),
    "undo": ("Undo", "Отменить", "Болдырмау"),
    "said": ("What was said", "Что указано", "Не көрсетілді"),
    "by": ("by", "кто", "кім"),
    "taken_back": ("taken back", "убрано", "алынып тасталды"),
    "until_over": ("until it is over", "до конца остановки", "тоқтау аяқталғанша"),
    "open_stops": ("Stops that need a reason", "Остановки без причины", "Себебі керек тоқтаулар"),
    "all_stops": ("All stops of the shift", "Все остановки смены", "Ауысымның барлық тоқтаулары"),
    "no_stops": ("Nothing stood.", "Остановок не было.", "Тоқтау болған жоқ."),
    "still": ("still", "до сих пор", "әлі"),
    "needs_sign_in": (
        "Sign in to say why.",
        "Войдите, чтобы указать причину.",
        "Себебін көрсету үшін кіріңіз.",
    ),
    "thanks": ("Noted.", "Записано.", "Жазылды."),
    "vin": ("VIN or body number", "VIN или номер кузова", "VIN немесе шанақ нөмірі"),
    "find": ("Find", "Найти", "Табу"),
    "car_about": (
        "Type or scan the VIN: the cursor is where it belongs.",
        "Введите или отсканируйте VIN: курсор уже в поле.",
        "VIN теріңіз немесе сканерлеңіз: меңзер өрісте тұр.",
    ),
    "car_unknown": ("No event names", "Нет событий о", "Оқиға жоқ:"),
    "passage": ("pass", "заход", "өту"),
    "entered": ("came", "пришла", "келді"),
    "left": ("left", "ушла", "кетті"),
    "results": ("results", "результаты", "нәтижелер"),
    "process_values": ("process values", "параметры процесса", "процесс параметрлері"),
    "remarks": ("remarks", "примечания", "ескертулер"),
    "outside_limits": ("outside its limits", "вне допуска", "шектен тыс"),
    "inside_limits": ("inside", "в допуске", "шекте"),
    "finished": ("finished", "готова", "дайын"),
    "in_plant": ("in the plant, or not finished", "на заводе или не готова", "зауытта немесе дайын емес"),
    "loops": ("times through a station again", "повторных заходов", "қайталап өту"),
    "baseline": ("was there when we looked", "уже стояла, когда включились", "қосылғанда тұрған еді"),
    "in_gap": ("nobody saw it come", "прихода не видели", "келгенін ешкім көрмеді"),
    "id_came_late": ("its number came late", "номер пришёл позже", "нөмірі кеш келді"),
    "left_unseen": ("nobody saw it leave", "ухода не видели", "кеткенін ешкім көрмеді"),
    "print": ("Print", "Печать", "Басып шығару"),
    "books": ("Books of the shift", "Закрытие смены", "Ауысымды жабу"),
    "closed": ("closed", "закрыта", "жабық"),
    "not_closed": ("open", "открыта", "ашық"),
    "close_book": ("Close", "Закрыть", "Жабу"),
    "close_all": ("Close all that are ready", "Закрыть все готовые", "Дайындарының бәрін жабу"),
    "reopen": ("Open again", "Открыть снова", "Қайта ашу"),
    "why": ("Why", "Почему", "Неге"),
    "shift_lasts": ("the shift still lasts", "смена ещё идёт", "ауысым әлі жүріп жатыр"),
    "ready_to_close": ("ready to be closed", "можно закрыть", "жабуға дайын"),
    "without_reason": ("without a reason", "без причины", "себепсіз"),
    "signature": ("Signature", "Подпись", "Қолы"),
    "handed_by": ("Handed over by", "Сдал", "Тапсырды"),
    "taken_by": ("Taken over by", "Принял", "Қабылдады"),
    "built": ("built", "собрано", "жиналды"),
    "plan_to_date": ("plan to date", "план на дату", "бүгінгі жоспар"),
    "plan_whole": ("plan", "план", "жоспар"),
    "attainment": ("attainment", "выполнение", "орындалуы"),
    "share": ("share", "доля", "үлесі"),
    "model": ("Model", "Модель", "Үлгі"),
    "assembly_method": ("Assembly method", "Способ сборки", "Жинау тәсілі"),
    "market": ("Market", "Рынок", "Нарық"),
    "local_content": ("Local content", "Локализация", "Жергілікті үлес"),
    "month": ("Month", "Месяц", "Ай"),
    "year": ("Year", "Год", "Жыл"),
    "forecast": ("Forecast for the year", "Прогноз на год", "Жылдық болжам"),
    "no_programme": (
        "The plant's file has no programme: an engineer adds `programme` there.",
        "В файле завода нет программы: инженер добавляет раздел `programme`.",
        "Зауыт файлында бағдарлама жоқ: инженер `programme` бөлімін қосады.",
    ),
    "counters_about": (
        "Here two readings of a counter allow more than one truth. Say how many parts were made; nothing is guessed.",
        "Два показания счётчика допускают разные ответы. Укажите, сколько деталей сделано; система не угадывает.",
        "Санауыштың екі көрсеткіші бірнеше жауапқа жол береді. Қанша жасалғанын көрсетіңіз; жүйе болжамайды.",
    ),
    "unknown_stations": (
        "Stations that the plant's file does not have; their history is in no report",
        "Станции, которых нет в файле завода; их история не входит ни в один отчёт",
        "Зауыт файлында жоқ станциялар; олардың тарихы ешбір есепке кірмейді",
    ),
    "counters_none": ("Every count is decided.", "Все показания решены.", "Барлық көрсеткіш шешілген."),
    "decide": ("Decide", "Решить", "Шешу"),
    "parts": ("parts", "деталей", "дана"),
    "possible": ("possible", "возможно", "мүмкін"),
    "decided": ("decided", "решено", "шешілді"),
    "how_known": ("How is that known?", "Откуда это известно?", "Ол қайдан белгілі?"),
    "what": ("what", "что", "не"),
    "who": ("who", "кто", "кім"),
    "nothing_changed": ("Nothing was changed yet.", "Изменений пока нет.", "Әзірге өзгеріс жоқ."),
    "not_found": ("There is no such page.", "Такой страницы нет.", "Мұндай бет жоқ."),
    "failed": (
        "This page has failed; the program's log says how.",
        "Ошибка страницы; подробности в журнале программы.",
        "Бет қатесі; толығы бағдарлама журналында.",
    ),
    "to_the_wall": ("To the wall", "На табло", "Таблоға"),
    "all_plant": ("whole plant", "весь завод", "бүкіл зауыт"),
    "csv": ("as CSV", "в CSV", "CSV түрінде"),
    "times_in": ("Times in", "Время", "Уақыт белдеуі"),
    "ledger_below": ("Down to the raw readings", "До исходных показаний", "Бастапқы көрсеткіштерге дейін"),
    "cycles": ("Cycle times against the ideal", "Время цикла и идеал", "Цикл уақыты мен идеал"),
    "recently": ("recently", "недавно", "жақында"),
}

# abbreviation: English, Russian, Kazakh
GLOSSARY: Mapping[str, tuple[str, str, str]] = {
    "OEE": (
        (
            "Overall equipment effectiveness: ideal time of all good units, divided by planned busy time. "
            "It is availability × performance × quality."
        ),
        (
            "Общая эффективность оборудования: идеальное время всех годных единиц, делённое на плановое рабочее время. "
            "Равна готовность × производительность × качество."
        ),
        (
            "Жабдықтың жалпы тиімділігі: барлық жарамды бұйымның идеал уақыты жоспарлы жұмыс уақытына бөлінеді. "
            "Дайындық × өнімділік × сапа."
        ),
    ),
    "A": (
        "Availability: operating time divided by planned busy time.",
        "Готовность: время работы, делённое на плановое рабочее время.",
        "Дайындық: жұмыс уақыты жоспарлы жұмыс уақытына бөлінеді.",
    ),
    "E": (
        "Performance (ISO 22400: effectiveness): ideal time of all units divided by operating time.",
        "Производительность: идеальное время всех единиц, делённое на время работы.",
        "Өнімділік: барлық бұйымның идеал уақыты жұмыс уақытына бөлінеді.",
    ),
    "Q": (
        "Quality: ideal time of good units divided by that of all units.",
        "Качество: идеальное время годных единиц, делённое на идеальное время всех.",
        "Сапа: жарамды бұйымның идеал уақыты барлығының идеал уақытына бөлінеді.",
    ),
    "PBT": (
        "Planned busy time: the time in which the calendar plans work, without breaks and planned stops.",
        "Плановое рабочее время: время по календарю без перерывов и плановых остановок.",
        "Жоспарлы жұмыс уақыты: күнтізбедегі уақыт, үзілістер мен жоспарлы тоқтаусыз.",
    ),
    "APT": (
        "Actual production time: planned time in which the station produced.",
        "Фактическое время производства: плановое время, когда станция работала.",
        "Нақты өндіріс уақыты: станция жұмыс істеген жоспарлы уақыт.",
    ),
    "TEEP": (
        "Ideal time of good units divided by all the time of the calendar, nights and holidays included.",
        "Идеальное время годных единиц, делённое на всё календарное время, с ночами и праздниками.",
        "Жарамды бұйымның идеал уақыты бүкіл күнтізбелік уақытқа бөлінеді.",
    ),
    "MTBF": (
        "Mean time between failures: production time divided by the number of failures.",
        "Среднее время между отказами: время работы, делённое на число отказов.",
        "Ақаулар арасындағы орташа уақыт.",
    ),
    "MTTR": (
        "Mean time to repair: time down divided by the number of failures.",
        "Среднее время ремонта: время простоя, делённое на число отказов.",
        "Орташа жөндеу уақыты.",
    ),
    "CKD": (
        "Completely knocked down: the body is welded, painted and assembled here.",
        "Полный цикл: кузов сваривают, красят и собирают здесь.",
        "Толық цикл: шанақ осында дәнекерленіп, боялып, жиналады.",
    ),
    "DKD": (
        "Direct knocked down: kits arrive welded and painted, and are assembled here.",
        "Сборка из окрашенных кузовов: комплекты приходят сваренными и окрашенными.",
        "Боялған шанақтан жинау: жинақтар дәнекерленіп, боялып келеді.",
    ),
    "VIN": (
        "Vehicle identification number, 17 characters.",
        "Идентификационный номер автомобиля, 17 знаков.",
        "Көліктің сәйкестендіру нөмірі, 17 таңба.",
    ),
}


@cache
def words(language: str) -> Mapping[str, str]:
    """All words in a language; raises ValueError for one that is not there."""
    place = LANGUAGES.index(language)
    return {**report_words(language), **{key: each[place] for key, each in _TABLE.items()}}


def glossary(language: str) -> Mapping[str, str]:
    """What each abbreviation means."""
    place = LANGUAGES.index(language)
    return {key: each[place] for key, each in GLOSSARY.items()}

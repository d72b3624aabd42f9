"""The words of a page in English, Russian and Kazakh, as they are said on the floor."""

from collections.abc import Mapping

LANGUAGES = ("en", "ru", "kk")

# key: English, Russian, Kazakh
_TABLE: Mapping[str, tuple[str, str, str]] = {
    "report": ("Report", "Отчёт", "Есеп"),
    "oee": ("OEE", "OEE", "OEE"),
    "availability": ("Availability", "Готовность", "Дайындық"),
    "performance": ("Performance", "Производительность", "Өнімділік"),
    "quality": ("Quality", "Качество", "Сапа"),
    "standalone": ("Stand-alone", "Без учёта соседей", "Көршілерсіз"),
    "teep": ("TEEP", "TEEP", "TEEP"),
    "good": ("good", "годных", "жарамды"),
    "rework": ("rework", "на доработку", "өңдеуге"),
    "scrap": ("scrap", "брак", "ақау"),
    "target": ("target", "план", "жоспар"),
    "out": ("out", "выпуск", "шығарылым"),
    "coverage": ("observed", "под наблюдением", "бақылауда"),
    "not_defined": ("not defined", "не определено", "анықталмаған"),
    "waterfall": ("Where the time went", "Куда ушло время", "Уақыт қайда кетті"),
    "calendar": ("calendar time", "календарное время", "күнтізбелік уақыт"),
    "not_planned": ("not planned", "вне плана", "жоспардан тыс"),
    "planned_stop": ("planned stops", "плановые остановки", "жоспарлы тоқтаулар"),
    "pbt": ("planned busy time", "плановое рабочее время", "жоспарлы жұмыс уақыты"),
    "down": ("down", "простой", "тұрып қалу"),
    "setup": ("setup", "переналадка", "қайта баптау"),
    "idle": ("idle", "ожидание", "бос тұру"),
    "starved": ("starved", "нет подачи", "берілім жоқ"),
    "blocked": ("blocked", "выход занят", "шығыс бос емес"),
    "minor_stops": ("minor stops", "мелкие остановки", "ұсақ тоқтаулар"),
    "no_data": ("no data", "нет данных", "дерек жоқ"),
    "apt": ("producing", "работа", "жұмыс"),
    "producing": ("producing", "работа", "жұмыс"),
    "speed_loss": ("speed loss", "потеря скорости", "жылдамдық шығыны"),
    "quality_loss": ("quality loss", "потеря качества", "сапа шығыны"),
    "valuable": ("valuable time", "полезное время", "пайдалы уақыт"),
    "strips": ("Every station, every minute", "Каждая станция, каждая минута", "Әр станция, әр минут"),
    "planned": ("planned work", "плановая работа", "жоспарлы жұмыс"),
    "pareto": ("Losses and their reasons", "Потери и их причины", "Шығындар мен себептері"),
    "reason": ("reason", "причина", "себеп"),
    "unexplained": ("unexplained", "без причины", "себепсіз"),
    "stops": ("stops", "остановок", "тоқтау"),
    "minutes": ("min", "мин", "мин"),
    "hours": ("Hour by hour", "По часам", "Сағат сайын"),
    "hour": ("hour", "час", "сағат"),
    "actual": ("actual", "факт", "нақты"),
    "sum": ("sum", "итого", "барлығы"),
    "largest_loss": ("largest loss", "главная потеря", "басты шығын"),
    "stations": ("Stations", "Станции", "Станциялар"),
    "station": ("station", "станция", "станция"),
    "definitions": ("Definitions side by side", "Определения рядом", "Анықтамалар қатар"),
    "definition": ("definition", "определение", "анықтама"),
    "source": ("source", "источник", "дереккөз"),
    "culprits": ("Who stopped the line", "Кто остановил линию", "Желіні кім тоқтатты"),
    "caused_by": ("caused by", "из-за", "себепші"),
    "how": ("how", "чем", "қалай"),
    "cars": ("cars", "машин", "көлік"),
    "outside": ("outside the plant", "вне завода", "зауыттан тыс"),
    "slow": ("slow cycle", "долгий цикл", "ұзақ цикл"),
    "pace": ("longer ideal cycle", "более долгий такт", "ұзақтау такт"),
    "unknown": ("not known", "неизвестно", "белгісіз"),
    "open": ("Stops without a reason", "Остановки без причины", "Себепсіз тоқтаулар"),
    "from": ("from", "с", "басы"),
    "to": ("to", "до", "соңы"),
    "nothing_lost": ("No planned time was lost.", "Плановое время не потеряно.", "Жоспарлы уақыт жоғалмады."),
    "all_explained": ("Every stop has its reason.", "У всех остановок есть причина.", "Барлық тоқтаудың себебі бар."),
    "nothing_known": (
        "The journal holds nothing for this time.",
        "В журнале нет данных за это время.",
        "Журналда бұл уақытқа дерек жоқ.",
    ),
    "made_at": ("data up to", "данные до", "деректер мына уақытқа дейін"),
    "team": ("team", "бригада", "бригада"),
    "flags": ("Mind", "Внимание", "Назар аударыңыз"),
    "performance_above_one": (
        "performance above 100 %: check the ideal cycle time",
        "производительность выше 100 %: проверьте идеальный цикл",
        "өнімділік 100 %-дан жоғары: идеал циклді тексеріңіз",
    ),
    "no_ideal_cycle": (
        "a product without ideal cycle time was made",
        "выпущен продукт без идеального цикла",
        "идеал циклі жоқ өнім шығарылды",
    ),
    "unreconciled": (
        "counts that a person has to decide are not in the figures",
        "неоднозначные показания счётчика не учтены",
        "екіұшты санауыш көрсеткіштері есептелмеді",
    ),
    "reset": (
        "a totaliser started anew: units before that may be missing",
        "счётчик сброшен: часть машин могла быть не учтена",
        "санауыш нөлденді: кейбір көліктер есептелмеуі мүмкін",
    ),
    "counts_not_read": (
        "a counter was not read: units are missing, or not known",
        "счётчик не читался: единиц не хватает или их число неизвестно",
        "санауыш оқылмады: бірліктер жетіспейді немесе саны белгісіз",
    ),
    "after_closing": (
        "the shift is closed; what came after closing is not in the figures",
        "смена закрыта; данные после закрытия не входят в показатели",
        "ауысым жабық; жабылғаннан кейінгі деректер көрсеткіштерге кірмейді",
    ),
    "counts_disagree": (
        "all units are not the sum of good, rework and scrap",
        "сумма годных, доработки и брака не равна общему счёту",
        "жарамды, өңдеу мен ақау қосындысы жалпы санға тең емес",
    ),
}


def words(language: str) -> Mapping[str, str]:
    """All words in a language; raises ValueError for one that is not there."""
    place = LANGUAGES.index(language)
    return {key: each[place] for key, each in _TABLE.items()}

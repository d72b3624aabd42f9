"""Known mistakes that are planted at random places of a valid plant's file, and what `mes check` has to say of each."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

Place = tuple[str | int, ...]
Data = dict[str, Any]
DIGITS = "FIVE-THOUSAND-DIGITS"  # written into the text at the end, as no integer of Python


@dataclass(frozen=True)
class Planted:
    """A mistake: the place whose line is to be named, a part of the sentence, and what no other mistake touches."""

    place: Place
    what: str
    touched: Place


Seed = Callable[[random.Random, Data], Planted | None]


def _at(data: Any, place: Place) -> Any:
    for key in place:
        data = data[key]
    return data


def _controllers(data: Data, protocol: str) -> list[Place]:
    return [("controllers", name) for name, entry in data["controllers"].items() if entry["kind"].startswith(protocol)]


def _owners(data: Data) -> Iterator[Place]:
    """Templates and stations."""
    yield from (("templates", name) for name in data.get("templates", {}))
    for area, lines in data["areas"].items():
        for line, stations in lines["lines"].items():
            yield from (("areas", area, "lines", line, "stations", name) for name in stations["stations"])


def _signals(data: Data, *names: str) -> list[Place]:
    found = [(*owner, "signals", name) for owner in _owners(data) for name in names]
    return [place for place in found if place[-1] in _at(data, place[:-2]).get("signals", {})]


def _process(data: Data) -> list[Place]:
    return [
        (*place, name)
        for place in _signals(data, "process")
        for name, shape in _at(data, place).items()
        if {"low", "high"} <= shape.keys()
    ]


def _one(rng: random.Random, places: list[Place]) -> Place | None:
    return rng.choice(places) if places else None


def manual_number(rng: random.Random, data: Data) -> Planted | None:
    places = [
        place for place in _controllers(data, "modbus") if _at(data, place).get("heartbeat", {}).get("table") is None
    ]
    if (place := _one(rng, places)) is None:
        return None
    _at(data, place)["heartbeat"] = {"address": rng.choice([40001, 40101, 49999])}
    return Planted((*place, "heartbeat", "address"), "looks like the number of a manual", (*place, "heartbeat"))


def rate(rng: random.Random, data: Data) -> Planted | None:
    places = [place for place in _signals(data, "good_count", "total_count") if "max_per_hour" in _at(data, place)]
    if (place := _one(rng, places)) is None:
        return None
    _at(data, place)["max_per_hour"] = rng.choice([0.5, 1, 2])
    return Planted((*place, "max_per_hour"), "units an hour", ("cycles",))


def no_product(rng: random.Random, data: Data) -> Planted | None:
    places = [owner for owner in _owners(data) if any(_at(data, owner).get("ideal_cycle_s", {}).values())]
    if (place := _one(rng, places)) is None:
        return None
    _at(data, place)["ideal_cycle_s"] = {}
    return Planted((*place, "ideal_cycle_s"), "there is no ideal cycle time for", ("cycles",))


def wrong_window(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _process(data))) is None:
        return None
    shape = _at(data, place)
    shape["low"] = shape["high"] + rng.choice([0, 1])
    return Planted((*place, "low"), "no value lies between", place)


def infinite(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _process(data))) is None:
        return None
    key, value = rng.choice(["low", "high", "deadband"]), rng.choice([float("inf"), float("-inf"), float("nan")])
    _at(data, place)[key] = value
    return Planted((*place, key), "cannot stand here", place)


def _maps(data: Data, key: str) -> list[Place]:
    return [("state_maps", name) for name, entry in data.get("state_maps", {}).items() if key in entry]


def nothing_produces(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _maps(data, "numbers"))) is None:
        return None
    numbers = _at(data, place)["numbers"]
    _at(data, place)["numbers"] = {code: "idle" if state == "producing" else state for code, state in numbers.items()}
    return Planted(place, "no code of this map means producing", place)


def bit_twice(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _maps(data, "bits"))) is None:
        return None
    bits = _at(data, place)["bits"]
    bits.append({**rng.choice(bits)})
    return Planted((*place, "bits", len(bits) - 1), "the same bits stand in a rule above", place)


def late_heartbeat(rng: random.Random, data: Data) -> Planted | None:
    places = [place for place in _controllers(data, "") if "heartbeat" in _at(data, place)]
    if (place := _one(rng, places)) is None:
        return None
    _at(data, place)["heartbeat"]["max_age_s"] = rng.choice([0.1, 0.25, 0.5])
    return Planted((*place, "heartbeat", "max_age_s"), "cannot be seen in time", (*place, "heartbeat"))


def no_node(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _controllers(data, "opcua"))) is None:
        return None
    _at(data, place)["heartbeat"] = {"node": rng.choice(["ns=weld Heartbeat", "Heartbeat", "nsu=;s=Beat", "i=x"])}
    return Planted((*place, "heartbeat"), "no ", (*place, "heartbeat"))


def scheme(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, [place for place in _controllers(data, "modbus") if "host" in _at(data, place)])) is None:
        return None
    _at(data, place)["host"] = rng.choice(["http://10.0.0.5", "tcp://plc", "10.0.0.5/1"])
    return Planted((*place, "host"), "no host", (*place, "host"))


def no_file(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _controllers(data, "opcua"))) is None:
        return None
    missing = rng.choice(["certificate", "private_key", "trust_folder"])
    files = {"certificate": ".", "private_key": ".", "trust_folder": "."} | {missing: "not-there"}
    _at(data, place)["security"] = {"policy": "Basic256Sha256", **files}
    return Planted((*place, "security", missing), "there is no file `not-there` here", (*place, "security"))


def no_credential(rng: random.Random, data: Data) -> Planted | None:
    name = rng.choice(["influx", "figures"])
    data["influx"] = {"url": "http://127.0.0.1:8086", "database": "taktline", "credential": name}
    return Planted(("influx", "credential"), f"there is no credential `{name}`", ("influx",))


def loop(rng: random.Random, data: Data) -> Planted | None:
    lines: dict[Place, list[str]] = {owner[:4]: [] for owner in _owners(data) if owner[0] == "areas"}
    for owner in _owners(data):
        if owner[0] == "areas":
            lines[owner[:4]].append(f"{owner[1]}/{owner[3]}/{owner[5]}")
    long = [stations for stations in lines.values() if len(stations) > 1]
    if not long:
        return None
    stations = rng.choice(long)
    data.setdefault("flow", []).append({"from": stations[-1], "to": stations[0], "places": 3})
    return Planted(("flow",), "the flow goes round", ("flow",))


def namespace(rng: random.Random, data: Data) -> Planted | None:
    places = [place for place in _signals(data, "fault_code", "product", "unit_id") if "node" in _at(data, place)]
    if (place := _one(rng, places)) is None:
        return None
    signals = _at(data, place[:-1]).values()
    space, _, name = _at(data, place)["node"].partition(";")
    if sum(str(shape.get("node")).startswith(space) for shape in signals) < 5:
        return None
    spot = rng.randrange(len("nsu=urn:"), len(space) - 1)
    if space[spot] == space[spot + 1]:
        return None
    slip = space[:spot] + space[spot + 1] + space[spot] + space[spot + 2 :]
    _at(data, place)["node"] = f"{slip};{name}"
    return Planted((*place, "node"), "this is the only tag of the namespace", place)


def thirty_digits(rng: random.Random, data: Data) -> Planted | None:
    return _number(rng, data, 10**29)


def five_thousand_digits(rng: random.Random, data: Data) -> Planted | None:
    return _number(rng, data, DIGITS)


def _number(rng: random.Random, data: Data, number: int | str) -> Planted | None:
    if (place := _one(rng, _controllers(data, "modbus"))) is None:
        return None
    place = (*place, rng.choice(["unit", "max_registers", "poll_interval_ms", "request_timeout_s"]))
    _at(data, place[:-1])[place[-1]] = number
    return Planted(place, "cannot stand here", place)


def unknown_key(rng: random.Random, data: Data) -> Planted | None:
    places = [*_signals(data, "good_count"), *_controllers(data, "")]
    if (place := _one(rng, places)) is None:
        return None
    _at(data, place)["modulis"] = 65536
    return Planted((*place, "modulis"), "unknown key `modulis`", (*place, "modulis"))


def unknown_map(rng: random.Random, data: Data) -> Planted | None:
    places = [place for place in _signals(data, "state") if "map" in _at(data, place)]
    if (place := _one(rng, places)) is None:
        return None
    _at(data, place)["map"] = "no-such-map"
    return Planted((*place, "map"), "there is no state map `no-such-map`", place)


def unknown_profile(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _controllers(data, ""))) is None:
        return None
    _at(data, place)["profile"] = "s7-1501"
    return Planted((*place, "profile"), "there is no profile `s7-1501`", place)


def secret(rng: random.Random, data: Data) -> Planted | None:
    if (place := _one(rng, _controllers(data, ""))) is None:
        return None
    _at(data, place)["password"] = "hunter2"
    return Planted((*place, "password"), "looks like a secret", (*place, "password"))


def truth(rng: random.Random, data: Data) -> Planted | None:
    places = [(*place, key) for place in _signals(data, "good_count") for key in ("address", "max_per_hour")]
    places += [(*place, key) for place in _controllers(data, "") for key in ("publish_interval_ms", "poll_interval_ms")]
    if (place := _one(rng, [place for place in places if place[-1] in _at(data, place[:-1])])) is None:
        return None
    _at(data, place[:-1])[place[-1]] = True
    return Planted(place, "`true` is no number", place if place[0] == "controllers" else ("cycles",))


def useless(rng: random.Random, data: Data) -> Planted | None:
    places = [place for place in _signals(data, "good_count") if "charset" not in _at(data, place)]
    if (place := _one(rng, places)) is None:
        return None
    _at(data, place)["charset"] = "cp1251"
    return Planted((*place, "charset"), "`charset` has no effect on", (*place, "charset"))


def no_section(rng: random.Random, data: Data) -> Planted | None:
    section = rng.choice(["markets", "process_values", "flow", "reasons", "definitions", "programme", "figures"])
    data[section] = rng.choice([5, "text", True])
    return Planted((section,), "cannot stand here", (section,))


SEEDS: tuple[Seed, ...] = (
    manual_number, rate, no_product, wrong_window, infinite, nothing_produces, bit_twice, late_heartbeat, no_node,
    scheme, no_file, no_credential, loop, namespace, thirty_digits, five_thousand_digits, unknown_key, unknown_map,
    unknown_profile, secret, truth, useless, no_section,
)  # fmt: skip


def plant(text: str, rng: random.Random, first: int, number: int) -> tuple[str, list[Planted]]:
    """A file's text with up to `number` mistakes that do not touch each other; the first is of the kind `first`."""
    data: Data = YAML(typ="safe", pure=True).load(text)
    planted: list[Planted] = []
    for seed in (SEEDS[first % len(SEEDS)], *rng.sample(SEEDS, number - 1)):
        tried = YAML(typ="safe", pure=True).load(_text(data))
        mistake = seed(rng, tried)
        if mistake is not None and not any(_touch(mistake.touched, other.touched) for other in planted):
            planted.append(mistake)
            data = tried
    return _text(data).replace(DIGITS, "9" * 5000), planted


def _touch(one: Place, other: Place) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _text(data: Data) -> str:
    yaml, written = YAML(typ="safe", pure=True), StringIO()
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the order of stations is the flow
    yaml.width = 100_000
    yaml.dump(data, written)
    return written.getvalue()

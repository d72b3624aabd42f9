"""What stations were called before, by the plant's file: `formerly` of a station, and of the site for all of them."""

from collections.abc import Mapping, Sequence

from mes.config.findings import Findings
from mes.config.models.plant import SiteShape
from mes.config.stations import Resolved
from mes.model import StationId

LEVELS = 3  # area/line/station; a fourth in front is the site


def former_names(site: SiteShape, stations: Sequence[Resolved], findings: Findings) -> Mapping[StationId, StationId]:
    """For each former name the present one. A name that is no path, is in use, or is claimed twice is a mistake.

    A site that had another name gives every station, under its present and its former names, another former name.
    """
    for index, old_site in enumerate(site.formerly):
        if old_site == site.name:
            what = f"the site is called `{old_site}` now"
            findings.problem(("site", "formerly", index), what, "name here only what it was called before")
    present = {StationId(station.path) for station in stations}
    found: dict[StationId, StationId] = {}
    for station in stations:
        for name in station.shape.formerly:
            _claim(name, station, site, present, found, findings)
    for station in stations:
        inside = station.path.partition("/")[2]
        for old_site in site.formerly:
            found.setdefault(StationId(f"{old_site}/{inside}"), StationId(station.path))
    return {former: now for former, now in found.items() if former not in present}


def _claim(
    name: str,
    station: Resolved,
    site: SiteShape,
    present: set[StationId],
    found: dict[StationId, StationId],
    findings: Findings,
) -> None:
    """One entry of `formerly` of one station."""
    place = station.origin("formerly")
    parts = name.split("/")
    if len(parts) not in (LEVELS, LEVELS + 1) or not all(parts):
        remedy = "write area/line/station, or with its site in front"
        findings.problem(place, f"`{name}` is no path of a station", remedy, station=station.path)
        return
    written = (
        [name]
        if len(parts) > LEVELS
        else [f"{site_name}/{name}" for site_name in dict.fromkeys((site.name, *site.formerly))]
    )
    for path in map(StationId, written):
        other = found.get(path)
        if path in present:
            what = f"`{path}` is a station of this file"
            remedy = "name here only what is not in the file any more; a name in use has events of its own"
            findings.problem(place, what, remedy, station=station.path)
        elif other is not None and other != station.path:
            what = f"`{path}` is a former name of {other} already"
            findings.problem(place, what, "the events of a name belong to one station", station=station.path)
        else:
            found[path] = StationId(station.path)

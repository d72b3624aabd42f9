"""Counters of one product alone: each of them must be a product's, and those that come here should have one."""

from collections.abc import Sequence

from mes.config.findings import Findings
from mes.config.models.plant import CounterShape
from mes.config.problems import did_you_mean
from mes.config.source import Place
from mes.config.stations import BY_PRODUCT, WHERE, Resolved


def check_product_counters(station: Resolved, products: Sequence[str], findings: Findings) -> None:
    """Says what is wrong with `by_product` of each of a station's counters; `products`: all of the file."""
    for name in type(station.shape.signals).model_fields:
        shape = getattr(station.shape.signals, name)
        if isinstance(shape, CounterShape) and shape.by_product:
            _check(station, ("signals", name), shape, products, findings)


def _check(station: Resolved, within: Place, shape: CounterShape, products: Sequence[str], findings: Findings) -> None:
    for key in sorted(WHERE & shape.model_fields_set):
        what, remedy = f"`{key}` stands beside `by_product`", "give each product's counter its own, and delete it here"
        findings.problem(station.origin(*within, key), what, remedy, station=station.path)
    counters = (*within, BY_PRODUCT)
    for product in shape.by_product:
        place = station.origin(*counters, product)
        if product not in products:
            what, remedy = f"there is no product `{product}`", did_you_mean(product, products)
            findings.problem(place, what, remedy, station=station.path)
        elif station.shape.ideal_cycle_s.get(product, 0.0) is None:
            what = f"`{product}` is counted here, and `ideal_cycle_s` says that it never comes here"
            findings.warning(place, what, "correct one of the two", station=station.path)
    for product, ideal_s in station.shape.ideal_cycle_s.items():
        if ideal_s is not None and product in products and product not in shape.by_product:
            what = f"no counter counts `{product}`, which has an ideal cycle time here"
            remedy = f"add its counter; or `{product}: null` in `ideal_cycle_s`, where it never comes here"
            findings.warning(station.origin(*counters), what, remedy, station=station.path)

// Cycle times as points over a line of the ideal; the same numbers stand in the table below.
"use strict";

for (const box of document.querySelectorAll("[data-chart]")) {
  const numbers = (text) => text.split(",").map((value) => (value === "None" || value === "" ? null : Number(value)));
  const [time, cycle, ideal, unit] = box.dataset.names.split("|");
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--soft");
  const axis = { stroke: ink, grid: { stroke: style.getPropertyValue("--line"), width: 1 } };
  const chart = new uPlot({
    width: box.clientWidth,
    height: 260,
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), document.body.dataset.zone),
    series: [
      { label: time, value: "{HH}:{mm}:{ss}" },
      { label: `${cycle}, ${unit}`, stroke: style.getPropertyValue("--producing"), paths: () => null, points: { show: true, size: 7 } },
      { label: `${ideal}, ${unit}`, stroke: style.getPropertyValue("--starved"), width: 2, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
    ],
    axes: [{ ...axis, values: [[3600, "{HH}:{mm}", null, null, null, null, null, null, 1], [60, "{HH}:{mm}", null, null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]] }, axis],
    scales: { y: { range: (_, low, high) => [Math.min(0, low), high * 1.1] } },
  }, [numbers(box.dataset.times), numbers(box.dataset.values), numbers(box.dataset.ideal)], box);
  addEventListener("resize", () => chart.setSize({ width: box.clientWidth, height: 260 }));
}

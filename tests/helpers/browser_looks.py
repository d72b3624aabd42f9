"""What is looked for on a page in a real browser: accessibility, things that overlap or stick out, and the focus."""

import asyncio
import json
from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parents[1] / "board/axe/node_modules/axe-core/axe.min.js"
AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MOST_TABS = 400

# Texts whose boxes lie over each other, texts that are cut off, and controls too small or out of reach.
FAULTS = """() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth - root.clientWidth} px too wide`);
  const name = (each) => `${each.tagName.toLowerCase()}.${each.className} "${each.textContent.trim().slice(0, 40)}"`;
  const shown = (each) => each.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) &&
    !each.closest(".hidden, .skip, svg, select, option");
  const scrolled = (each) => each.closest(".scroll, .strip");
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || !shown(parent) || ["SCRIPT", "STYLE"].includes(parent.tagName)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width < 1 || box.height < 1) continue;
      const room = scrolled(parent);
      if (!room && (box.left < -1 || box.right > root.clientWidth + 1)) found.push(`${name(parent)} sticks out`);
      boxes.push({left: box.left, right: box.right, top: box.top, bottom: box.bottom, parent, room});
    }
  }
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
    const a = boxes[i], b = boxes[j];
    if (a.parent === b.parent || a.room || b.room) continue;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    const low = Math.min(a.bottom - a.top, b.bottom - b.top);
    if (wide > 2 && high > low * 0.35) found.push(`${name(a.parent)} lies over ${name(b.parent)}`);
  }
  for (const each of document.querySelectorAll("body *")) {
    const style = getComputedStyle(each);
    if (!shown(each) || !["hidden", "clip"].includes(style.overflowX) || !each.textContent.trim()) continue;
    if (each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 2) found.push(`${name(each)} is cut off`);
  }
  for (const each of document.querySelectorAll("button, a.button, summary, input, select")) {
    const box = each.getBoundingClientRect();
    if (!shown(each) || each.type === "hidden" || ["checkbox", "radio"].includes(each.type)) continue;
    const size = `${Math.round(box.width)} x ${Math.round(box.height)} px`;
    if (box.height < 24 || box.width < 24) found.push(`${name(each)} is ${size}`);
  }
  return [...new Set(found)];
}"""


async def faults(page: Page) -> list[str]:
    """What overlaps, sticks out, is cut off or too small for a finger; in words."""
    found: list[str] = await page.evaluate(FAULTS)
    return found


async def barriers(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 at AA, and its good practice; in words."""
    await page.evaluate(await asyncio.to_thread(AXE.read_text, encoding="utf-8"))
    asked = json.dumps({"runOnly": {"type": "tag", "values": AA}, "resultTypes": ["violations"]})
    found: dict[str, Any] = await page.evaluate(f"async () => await axe.run(document, {asked})")
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"][:3]
    ]


async def focus(page: Page, selector: str) -> None:
    """Presses Tab until what is wanted has the focus, as one does without a mouse; raises AssertionError."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"one cannot see that {selector} has the focus"
            return
    raise AssertionError(f"{selector} cannot be reached by the keyboard")

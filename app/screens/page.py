"""The web page: tabs, style sheet, and what its components share."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.runs.jobs import Jobs
from app.screens.api import Api
from app.screens.batch_tab import BatchTab
from app.screens.checked_blocks import CheckedBlocks
from app.screens.collection_tab import CollectionTab
from app.screens.dataset_tab import DatasetTab
from app.screens.grade_tab import GradeTab
from app.screens.home_screen import HEAD
from app.screens.label_tab import LabelTab
from app.screens.train_tab import TrainTab
from app.settings import PROGRAM, DataFolder, ServerOptions
from db.session import Database

DEFAULT_OPTIONS = ServerOptions()
UPLOADS_CHECKED_S, UPLOADS_KEPT_S = 3600, 24 * 3600

# The verdict is busy while it holds an element of that class, from a press until its content changes, and while a press
# waits for a picture on its way (picture_fields.js); programs and screen readers look at the attribute. The press hides
# the last answer at once, by its style alone: an update that Gradio makes in the page was sometimes applied after
# the server's, and took the new answer off the page.
BUSY = """
new MutationObserver((changes) => {
  const verdict = document.getElementById("verdict");
  if (!verdict) return;
  const content = verdict.querySelector(".html-container"); // beside it Gradio counts the seconds
  const isNew = changes.some(({ target }) => content?.contains(target));
  if (isNew && !("waits" in verdict.dataset)) delete verdict.dataset.pressed;
  verdict.setAttribute("aria-busy", String("pressed" in verdict.dataset || verdict.querySelector(".busy") !== null));
}).observe(document, { childList: true, characterData: true, subtree: true });
"""
# On a phone the field of a side opens the camera; the field for both lets the user choose pictures taken before.
CAMERA = """
if (matchMedia("(pointer: coarse)").matches) new MutationObserver(() => {
  for (const input of document.querySelectorAll("#both-in input[type=file]")) input.accept = "image/*";
  for (const input of document.querySelectorAll(":is(#front-in, #back-in) input[type=file]")) {
    input.accept = "image/*";
    input.setAttribute("capture", "environment");
  }
}).observe(document, { childList: true, subtree: true });
"""
# What the verdict, the two views of a card and the bar of layers share, see card_view.js and card_layers.js.
# OpenSeadragon is loaded with the page; `loadViewer` waits for it, tries again if that failed, and returns whether it
# is there.
CARD_VIEWS = """
window.loupe = {
  loading: null,
  loadViewer: () => window.loupe.loading ??= new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = "library/openseadragon.min.js";
    script.onload = () => resolve(true);
    script.onerror = () => { window.loupe.loading = null; resolve(false); };
    document.head.append(script);
  }),
  press: () => {
    const verdict = document.getElementById("verdict");
    Object.assign(verdict.dataset, { pressed: "" });
    verdict.setAttribute("aria-busy", "true");
    const block = matchMedia("(max-width: 640px)").matches ? "start" : "nearest";
    verdict.scrollIntoView({ block, behavior: "smooth" });
  },
  // Deep zoom of one picture, of a graded card and of a card to label: wheel, pinch, pan.
  deepZoom: ({ element, label, isAtHome, usesKeys }) => {
    const viewer = OpenSeadragon({
      element,
      drawer: "canvas",
      showNavigationControl: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      gestureSettingsTouch: { pinchRotate: false },
      maxZoomPixelRatio: 12,
      minZoomImageRatio: 0.7,
      visibilityRatio: 0.5,
      animationTime: 0.5,
      silenceMultiImageWarnings: true,
    });
    viewer.canvas.setAttribute("aria-label", label);
    viewer.addHandler("canvas-scroll", (event) => {
      // The page scrolls on when there is nothing left to zoom out of.
      if (event.scroll < 0 && isAtHome()) { event.preventDefault = false; event.preventDefaultAction = true; }
    });
    viewer.addHandler("canvas-key", (event) => {
      const isUsed = usesKeys && /^(Arrow|\\+|-|=|0)/.test(event.originalEvent.key); // no turning, no mirroring
      if (!isUsed) event.preventDefaultAction = true;
    });
    return viewer;
  },
  views: {},
  layers: {
    findings: true, lines: true, map: false, linked: true,
    opacity: 0.7, method: "hires_cam", maps: {}, hidden: {},
  },
};
window.loupe.loadViewer();
"""
# The open tab stands in the address, so that a reload and the browser's back and forward keep it; after a colon follows
# what it shows, see dataset_tab.js.
TAB_ADDRESS = """
{
  let isRestored = false;
  const shown = () => document.querySelector("[role=tab][aria-selected=true]")?.dataset.tabId;
  const named = () => location.hash.slice(1).split(":")[0] || "grade";
  const tab = () => document.querySelector(`[role=tab][data-tab-id="${CSS.escape(named())}"]`);
  const restore = () => { if (tab() && shown() !== named()) tab().click(); };
  window.addEventListener("popstate", restore);
  new MutationObserver(() => {
    if (!shown()) return;
    if (!isRestored) restore();
    else if (shown() !== named()) history.pushState(null, "", "#" + shown());
    isRestored = isRestored || shown() === named() || !tab();
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["aria-selected"] });
}
"""
# Light or dark as the system has it, until the user chooses the other; the choice is remembered in the browser. Gradio
# sets its class of the body once, and again when the system changes.
COLORS = """
{
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = new URLSearchParams(location.search).get("__theme") ?? localStorage.getItem("loupe-colors");
  const isDark = () => (chosen === "dark" || chosen === "light" ? chosen === "dark" : system.matches);
  const apply = () => {
    document.body?.classList.toggle("dark", isDark());
    const button = document.getElementById("color-switch"), text = isDark() ? "Light colors" : "Dark colors";
    if (button && button.textContent !== text) button.textContent = text;
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#color-switch")) return;
    const wanted = isDark() ? "light" : "dark";
    // The system's own color is no choice: the page follows the system again.
    chosen = (wanted === "dark") === system.matches ? null : wanted;
    if (chosen === null) localStorage.removeItem("loupe-colors");
    else localStorage.setItem("loupe-colors", chosen);
    apply();
  });
  system.addEventListener("change", apply);
  new MutationObserver(apply).observe(document, { childList: true, subtree: true, attributeFilter: ["class"] });
}
"""
# Sections that the user has opened are open again after a reload; those with an id are remembered in the browser.
SECTIONS = """
{
  const opened = new Set(JSON.parse(localStorage.getItem("loupe-sections") ?? "[]"));
  const pending = new Set(opened);
  document.addEventListener("click", (event) => {
    const head = event.target.closest?.(".label-wrap"), id = head?.parentElement.id;
    if (!id || id.startsWith("component-")) return;
    // Gradio changes the class after this listener.
    setTimeout(() => {
      opened[head.classList.contains("open") ? "add" : "delete"](id);
      localStorage.setItem("loupe-sections", JSON.stringify([...opened]));
    });
  });
  new MutationObserver(() => {
    for (const id of pending) {
      const head = document.querySelector(`#${CSS.escape(id)} > .label-wrap`);
      if (!head) continue;
      pending.delete(id);
      if (!head.classList.contains("open")) head.click();
    }
  }).observe(document, { childList: true, subtree: true });
}
"""
COLOR_SWITCH = '<button type="button" id="color-switch">Dark colors</button>'
PAGE_SCRIPTS = (COLORS, TAB_ADDRESS, SECTIONS, BUSY, CAMERA, CARD_VIEWS)
STYLE = """
#head { position: relative; }
#head h1 { padding-right: 9rem; min-height: 2.8rem; }
#colors { position: absolute; top: 0; right: 0; width: auto; min-width: 0; padding: 0; }
#color-switch {
  padding: 0.35rem 0.8rem; border: 1px solid var(--button-secondary-border-color); border-radius: 6px;
  background: var(--button-secondary-background-fill); color: var(--button-secondary-text-color);
  font-size: 0.85rem; white-space: nowrap;
}
.card-picture img { object-fit: contain; }
button[role="tab"][aria-selected="true"] { color: var(--primary-600) !important; }
.dark button[role="tab"][aria-selected="true"] { color: var(--primary-300) !important; }
.picture-input { gap: 0.5rem; }
#both-in .icon-wrap { display: none; }
/* As high as the picture: no gap between it and what stands below. */
.picture-input .preview { height: auto !important; }
.picture-input .preview img { object-fit: contain; width: 100%; height: auto; max-height: 420px; }
:is(#front-advice, #back-advice) { padding: 0.4rem 0.6rem; border-left: 4px solid var(--color-accent); }
.picture-input .preview .icon-button-wrapper { display: none; }
:is(.picture-input .block, #both-in, #batch-files):has(.upload-container, .file-preview) {
  border: 1px solid var(--border-color-primary) !important;
}
#import-outcome:has([data-testid="status-tracker"]:not(.hide)) { min-height: 7rem; }
.out-of-sight { display: none !important; }
.level { align-items: end; }
.level button { flex: none; width: auto; min-width: 0; }
#camera, #camera .html-container, #picture-fields, #picture-fields .html-container { padding: 0; }
/* Gradio draws a dark border around every cell of a table in a text. */
.gradio-container .md :is(table, tr, th, td) { border-color: var(--border-color-primary) !important; }
.settings .form { align-items: start; background: var(--block-background-fill); }
/* Gradio ignores the min_width of a checkbox. */
.settings .form > * { min-width: 200px !important; }
/* Labels above the picture, not over it: a label on a corner hides wear. */
.card-picture [data-testid="block-label"] { position: static; width: fit-content; }
.card-picture .image-container { height: calc(100% - 2rem); }
/* The buttons of a picture at the height of its label, not over the picture. */
.card-picture .image-container { position: static; }
.batch-table { overflow-x: auto; }
.batch-table table { width: 100%; border-collapse: collapse; }
/* Gradio draws a dark border around every cell. */
#batch-table :is(th, td) {
  padding: 0.25rem 0.75rem 0.25rem 0; text-align: left;
  border: 0 solid var(--border-color-primary) !important; border-bottom-width: 1px !important;
}
.batch-table img { height: 4.5rem; max-width: none; }
#verdict[data-pressed]::before {
  content: "Grading ..."; display: block; padding: 0.6rem 0.8rem; border-radius: 6px;
  background: var(--background-fill-secondary);
}
#verdict[data-pressed] > * { display: none !important; }
/* Not without its size, by which the views of the card are laid out. */
body:has(#verdict[data-pressed]) #answer { visibility: hidden !important; }
footer { display: none !important; }
@media (max-width: 640px) {
  /* All six fit; a tab in Gradio's menu of further tabs has no place in the address. */
  .tab-container button { padding: 0 0.3rem !important; font-size: 0.82rem; }
  .two-sides { flex-wrap: nowrap !important; }
  .two-sides > * { min-width: 0 !important; }
  .picture-input .preview img { max-height: 200px; }
  /* The name of the file, not its size. */
  .picture-input .file-preview .download { display: none; }
  .stack { flex-direction: column; }
  .stack > * { width: 100%; }
}
/* Gradio cuts a selector at every comma, also within :is(), and a rule within @media is then lost. */
@media (pointer: coarse) { button.sm, button.lg, button[role="tab"], .label-wrap, #color-switch { min-height: 44px; } }
"""
SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
FIXED_FONTS = ["ui-monospace", "SFMono-Regular", "Consolas", "monospace"]
PAGE_OPTIONS: dict[str, Any] = {
    # Gradio's themes name fonts that a browser would download.
    "theme": gr.themes.Soft(font=SYSTEM_FONTS, font_mono=FIXED_FONTS, primary_hue="indigo").set(
        # The empty checkbox of the Soft theme is white on white.
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_width_dark="1px",
        # The theme's own colors of small text have a contrast of 2.5 to 4.4; 4.5 is the minimum for legible text.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_title_text_color="*primary_700",
        block_label_text_color="*primary_700",
        link_text_color="*primary_700",
        # Without borders, fields and buttons are white on white.
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        button_border_width="1px",
        button_secondary_border_color="*neutral_400",
        button_secondary_border_color_dark="*neutral_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
    ),
    "css": STYLE,
    "head": HEAD + "".join(f"<script>{script}</script>" for script in PAGE_SCRIPTS),
    "ssr_mode": False,
    "run_history": False,
    "footer_links": [],
}


def build(database: Database, data: DataFolder, jobs: Jobs, options: ServerOptions = DEFAULT_OPTIONS) -> CheckedBlocks:
    """Build the page of one data folder."""
    cache = (UPLOADS_CHECKED_S, UPLOADS_KEPT_S)
    private = (data.root, PROGRAM)
    with CheckedBlocks(private_folders=private, title="Loupe", analytics_enabled=False, delete_cache=cache) as page:
        with gr.Row(elem_id="head"):
            gr.Markdown(
                "# Loupe\nEstimate the PSA grade of a card. See how certain the estimate is and what lowers the grade."
            )
            gr.HTML(COLOR_SWITCH, elem_id="colors")
        with gr.Tabs() as tabs:
            first = (GradeTab(database, data, options), BatchTab(database, data, jobs), CollectionTab(database, data))
            label = LabelTab(database, data, options)
            dataset = DatasetTab(database, data, options)
            train = TrainTab(database, data, jobs)
            dataset.connect(tabs, label, train)
        for tab in (*first, label, dataset, train):
            tab.on_load(page)
        Api(page, database, data, jobs, options)
    for block in page.blocks.values():
        if isinstance(block, gr.Markdown):
            block.latex_delimiters = []  # a name with two dollar signs is no formula
    return page

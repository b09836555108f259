"""The page: its tabs, its look, and the keys that label."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.runs.jobs import Jobs
from app.screens.grade_tab import GradeTab
from app.screens.label_tab import LabelTab
from app.screens.train_tab import TrainTab
from app.settings import DataFolder
from db.session import Database

UPLOADS_CHECKED_S, UPLOADS_KEPT_S = 3600, 24 * 3600

# 1 to 9 and 0 for 10 press the grade's button; the arrows leaf. Never while typing, never on a held key.
# A checkbox is not typed into: "Half grade" keeps the focus once it is ticked, and the grade's key comes next.
KEYS = """
<script>
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable=true]");
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const names = {"0": "grade-10", ArrowLeft: "previous-card", ArrowRight: "next-card"};
  const name = /^[1-9]$/.test(event.key) ? "grade-" + event.key : names[event.key];
  const button = name && document.getElementById(name);
  if (button && button.offsetParent !== null) { event.preventDefault(); button.click(); }
});
</script>
"""
# Of two requests on their way at once the server may take up the later first: of 500 keys 30 ms apart 4 overtook the
# one before them. So each event is sent when the one before it stands in Gradio's queue.
IN_ORDER = """
<script>
{
  const send = window.fetch.bind(window);
  let before = Promise.resolve();
  window.fetch = (address, ...options) => {
    if (!String(address).includes("/queue/join")) return send(address, ...options);
    const answer = before.then(() => send(address, ...options));
    before = answer.catch(() => {}); // whoever sent it is told; the next one goes all the same
    return answer;
  };
}
</script>
"""
STYLE = """
.card-picture img { object-fit: contain; }
#grade-buttons button { min-width: 3rem; }
.out-of-sight { display: none !important; }
.level { align-items: end; }
.level button { flex: none; width: auto; }
.settings .form { align-items: end; background: var(--block-background-fill); }
/* Gradio keeps no least width of a checkbox's own. */
.settings .form > * { min-width: 200px !important; }
/* Beside the picture, not on it: a label over a corner hides what a grader looks at. */
.card-picture [data-testid="block-label"] { position: static; width: fit-content; }
.card-picture .image-container { height: calc(100% - 2rem); }
#current-grade h2 { margin-top: 0; }
footer { display: none !important; }
"""
SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
FIXED_FONTS = ["ui-monospace", "SFMono-Regular", "Consolas", "monospace"]
LAUNCH_OPTIONS: dict[str, Any] = {
    # Gradio's own themes name fonts that a browser would fetch from elsewhere.
    "theme": gr.themes.Soft(font=SYSTEM_FONTS, font_mono=FIXED_FONTS, primary_hue="indigo").set(
        # Soft's own empty checkbox is white on white.
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_width_dark="1px",
    ),
    "css": STYLE,
    "head": IN_ORDER + KEYS,
    "quiet": True,
    "ssr_mode": False,
    "run_history": False,
    "footer_links": [],
}


def build(database: Database, data: DataFolder, jobs: Jobs) -> gr.Blocks:
    """The whole page over one data folder."""
    with gr.Blocks(title="Loupe", analytics_enabled=False, delete_cache=(UPLOADS_CHECKED_S, UPLOADS_KEPT_S)) as page:
        gr.Markdown("# Loupe\nWhich PSA grade would this card get, how sure is that, and where does the card lose it?")
        with gr.Tabs():
            tabs = (GradeTab(database, data), LabelTab(database, data), TrainTab(database, data, jobs))
        for tab in tabs:
            tab.on_load(page)
    return page

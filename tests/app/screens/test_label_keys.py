"""What is pressed on the Label tab is done in the order in which it was pressed.

That it also arrives in that order is the browser's part: see tests/browser/test_story_in_browser.py.
"""

import asyncio

from app.screens.page import build
from engine.cards.grades import GRADES

AT_THE_DESK = {"no-grade", "previous-card", "next-card", *(f"grade-{grade}" for grade in GRADES)}


def test_all_buttons_for_the_card_at_hand_wait_in_one_line_and_are_answered_one_by_one(own_home):
    async def built():  # without a loop that runs, Gradio makes some and leaves them open
        return build(own_home.database, own_home.data, own_home.jobs)

    page = asyncio.run(built())
    lines = {
        page.blocks[block_id].elem_id: (event.concurrency_id, event.concurrency_limit)
        for event in page.fns.values()
        for block_id, what in event.targets
        if what == "click" and page.blocks[block_id].elem_id in AT_THE_DESK
    }
    assert lines.keys() == AT_THE_DESK
    [(_, at_once)] = set(lines.values())
    assert at_once == 1

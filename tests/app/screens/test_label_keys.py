"""Key presses on the Label tab are handled in their order of arrival.

tests/browser/test_story_in_browser.py tests that they arrive in the order of the key presses.
"""

import asyncio

from app.screens.page import build
from engine.cards.grades import GRADES

LABEL_BUTTONS = {"no-grade", "previous-card", "next-card", *(f"grade-{grade}" for grade in GRADES)}


def test_all_label_buttons_share_one_queue_and_are_handled_one_by_one(data_home):
    async def built():  # without a running event loop, Gradio creates one and leaves it open
        return build(data_home.database, data_home.data, data_home.jobs)

    page = asyncio.run(built())
    queues = {
        page.blocks[block_id].elem_id: (event.concurrency_id, event.concurrency_limit)
        for event in page.fns.values()
        for block_id, event_name in event.targets
        if event_name == "click" and page.blocks[block_id].elem_id in LABEL_BUTTONS
    }
    assert queues.keys() == LABEL_BUTTONS
    [(_, limit)] = set(queues.values())
    assert limit == 1

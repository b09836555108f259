"""The process pool: an initializer in each process, and no new work after the end of its block."""

import os
import time

import pytest

from engine.process_pool import spawn_pool


@pytest.mark.slow
def test_calls_that_have_not_begun_are_cancelled_at_the_end_of_the_block(tmp_path):
    with spawn_pool(1, initializer=os.chdir, arguments=(tmp_path,)) as pool:
        assert pool.submit(os.getcwd).result() == str(tmp_path)
        calls = [pool.submit(time.sleep, 0.2) for _ in range(50)]
    assert calls[0].done()
    assert calls[-1].cancelled()

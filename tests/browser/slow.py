"""``python -m tests.browser.slow FILE OPTION...``: a server whose transcriber loads until FILE is there."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from duologue.cli.main import app
from duologue.engines.registry import MAKERS, Maker
from duologue.engines.scripted import ScriptedTranscriber

UNTIL = "TEST_SLOW_UNTIL"


class SlowTranscriber(ScriptedTranscriber):
    """Takes its time."""

    name = "slow"

    def load(self) -> None:
        until = Path(os.environ[UNTIL])
        while not until.exists():
            time.sleep(0.05)


if __name__ == "__main__":
    MAKERS["asr.slow"] = Maker("tests.browser.slow:SlowTranscriber")
    os.environ[UNTIL] = sys.argv[1]
    app(["serve", "--profile", "scripted", "--asr", "slow", *sys.argv[2:]])

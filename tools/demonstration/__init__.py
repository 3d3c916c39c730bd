"""Plays the demonstration of `make run`: people, apps, officials and groups, administration.

Every step checks its result. The first step that fails ends the demonstration with its name.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tools.backstage import Backstage
from tools.demonstration.administration import Administration
from tools.demonstration.apps import Apps
from tools.demonstration.groups import Groups
from tools.demonstration.narrator import Narrator
from tools.demonstration.people import People
from tools.engine import Deployment, Engine


async def play(engine: Engine, deployment: Deployment, people: Path, narrator: Narrator) -> None:
    """Play all parts on a deployed engine. The people's profiles are kept in `people`. Raise StepFailed."""
    with closing(People(engine, deployment, people, narrator)) as two:
        asha, ravi = await two.play()
        backstage = Backstage.of(engine, deployment)
        await Apps(engine, deployment, ravi, backstage, narrator).play()
        await Groups(engine, deployment, backstage, two, asha, ravi, narrator).play()
        await Administration(engine, deployment, two, ravi, narrator).play()

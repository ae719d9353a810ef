"""How fast it goes, in the units of the amounts: rich's own column has decimal ones. Apart, since it needs rich."""

from rich.progress import ProgressColumn, Task
from rich.text import Text

from xtent.command.output import size


class Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{size(int(task.speed))}/s", style="progress.data.speed")

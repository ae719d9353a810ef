"""`xtent completion`: for the shell."""

from typing import Any

from xtent.command import arguments
from xtent.command.arguments import Commands
from xtent.command.output import Output

SHELLS = ("bash", "zsh", "tcsh")


def add(commands: Commands) -> None:
    made = arguments.command(
        commands,
        "completion",
        run,
        "Print what makes a shell complete this command's arguments.",
        "For bash: eval \"$(xtent completion bash)\" in ~/.bashrc.",
    )
    made.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or tcsh")


def run(args: Any, output: Output) -> None:
    try:
        import shtab
    except ImportError:
        raise SystemExit("xtent: completion needs shtab: pip install 'xtent[command]'") from None
    from xtent.command import parser

    script = shtab.complete(parser(), args.shell)
    output.result = {"shell": args.shell, "script": script}
    output.say(script)

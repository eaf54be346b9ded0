"""The installed command `netflips`: each subcommand is a command of its own elsewhere; only the chosen one is imported."""

import sys
from collections.abc import Sequence
from importlib import import_module

from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE
from netflips import __version__

_COMMANDS = {
    "dub": ("netflips.dub_command", "dub videos into another language"),
    "units": ("av2unit.inference", "speech and lips to units"),
    "translate": ("unit2unit.inference", "units of one language to units of another"),
    "speak": ("unit2av.inference_unit2a", "units to speech"),
    "render": ("unit2av.inference_unit2av", "units to speech and lips"),
    "extract": ("netflips.batch.command", "units of a whole corpus, in bulk"),
    "manifest": ("netflips.manifest_command", "check, count, divide, join and convert manifests"),
    "convert": ("netflips.convert", "a checkpoint to safetensors and JSON"),
    "bundle": ("netflips.demo_bundle.command", "pack and check the models that come with NetfLips"),
    "evaluate": ("netflips.evaluation.command", "how good the demo's models are, or one's own on a test split"),
    "info": ("netflips.info", "what a dubbed video, a checkpoint or the bundle says of itself"),
}


def usage() -> str:
    """The list of subcommands."""
    lines = [f"  {name:<10} {purpose}" for name, (_, purpose) in _COMMANDS.items()]
    return "\n".join(["usage: netflips COMMAND [options]", "", *lines, "", "netflips COMMAND --help says more."])


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--version"], ["-V"]):
        sys.stdout.write(f"netflips {__version__}\n")
        return EXIT_DONE
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(usage() + "\n")
        return EXIT_DONE if arguments else EXIT_BAD_INPUT
    if arguments[0] not in _COMMANDS:
        sys.stderr.write(f"netflips: error: no command called {arguments[0]!r}\n{usage()}\n")
        return EXIT_BAD_INPUT
    module, _ = _COMMANDS[arguments[0]]
    return int(import_module(module).main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main())

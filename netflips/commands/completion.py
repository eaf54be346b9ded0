"""`netflips completion bash|zsh`: a script that completes commands, options and their values, made from the parsers."""

import argparse
import sys
from collections.abc import Iterator, Sequence

from avcore.command import Parser, run
from avcore.notes import print_text

_SHELLS = ("bash", "zsh")

_SCRIPT = """\
# Completion of netflips for bash and zsh: eval "$(netflips completion bash)", or zsh.
_netflips() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    local command="${{COMP_WORDS[1]}}" action="${{COMP_WORDS[2]}}"
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
        return
    fi
    case "$command $before" in
{values}
    esac
    if [ "$COMP_CWORD" -eq 2 ]; then
        case "$command" in
{actions}
        esac
    fi
    case "$word" in
    -*)
        case "$command $action" in
{options}
        esac ;;
    *)
        local IFS=$'\\n'
        [ "${{#COMPREPLY[@]}}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}}
complete -o filenames -F _netflips netflips"""
_FOR_ZSH = "autoload -U +X bashcompinit && bashcompinit\nautoload -U +X compinit && compinit -i\n"


def build_parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(prog="netflips completion", description='Print a completion script: eval "$(netflips completion bash)".')
    parser.add_argument("shell", choices=_SHELLS, help="; ".join(_SHELLS))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), lambda options: print_text(script_for(options.shell)), argv)


def script_for(shell: str) -> str:
    """Return the script for `bash` or `zsh`. It is the same for zsh, which can load bash's completion."""
    from netflips.cli import COMMANDS, parser_of

    parsers, options, actions = list[tuple[str, argparse.ArgumentParser]](), list[str](), list[str]()
    for name in COMMANDS:
        parser = parser_of(name)
        parsers.append((name, parser))
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += [(f"{name} {word}", one) for word, one in action.choices.items()]
        first = next((action for action in parser._actions if not action.option_strings), None)
        if first is not None and first.choices:
            actions.append(f"        {name}) {_reply([str(choice) for choice in first.choices])}; return ;;")

    for where, one in reversed(parsers):  # those of an action before all others of its command
        flags = [flag for flag in one._option_string_actions if flag.startswith("--")]
        pattern = f'"{where}"' if " " in where else f'"{where} "*'
        options.append(f"        {pattern}) {_reply(flags)} ;;")

    values = [line for where, parser in parsers for line in _values(where, parser)]
    script = _SCRIPT.format(
        commands=" ".join(COMMANDS), values="\n".join(values), actions="\n".join(actions), options="\n".join(options)
    )
    return (_FOR_ZSH if shell == "zsh" else "") + script


def _values(where: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the lines that complete the values of a command's options, for options that have choices."""
    name = where.partition(" ")[0]
    for action in parser._actions:
        if action.option_strings and action.choices is not None:
            flags = "|".join(f'"{name} {flag}"' for flag in action.option_strings)
            yield f"    {flags}) {_reply([str(choice) for choice in action.choices])}; return ;;"


def _reply(words: Sequence[str]) -> str:
    return f'COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word"))'


if __name__ == "__main__":
    sys.exit(main())

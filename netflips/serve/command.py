"""`netflips serve`: a web page to dub with, on this machine."""

import argparse
import secrets
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlencode

from avcore.command import LOG, Parser, add_common_options, device_name, run
from avcore.errors import OutputError, UsageError
from avcore.files import require_file
from avcore.loading import loading
from avcore.programs import parse_command
from avcore.provenance import pip_line
from avcore.runs.lock import folder_lock
from netflips.serve.settings import Settings, parse_seconds, parse_size
from unit2av.lipsync.backend import file_options

_MODEL_FILES = {
    "--av2unit-path": "unit encoder",
    "--utut-path": "unit translator",
    "--unit2av-path": "unit AV renderer",
    "--speaker-encoder-path": "speaker encoder (default: resemblyzer's weights)",
    "--text2unit-path": "text-to-unit model, for texts to speak (default: the bundle's, if it has one)",
    "--unit2text-path": "unit recogniser, for the texts of both sides (default: the bundle's, if it has one)",
    **{one.flag: one.help for one in file_options()},
    "--syncnet": "syncnet_v2.model, to measure a dub by",
}
_FOLDERS = {
    "--recognizer": "Whisper folder, for the cascade, the tab Avatar and measuring (default for the cascade: the downloaded one)",
    "--text-translator": "CTranslate2 folder of a translator, for the cascade (default: the one of netflips models get korean)",
}
_REPLIES = {
    "--replies": "questions with their answers (default: those of the demo's phrasebook)",
    "--blocked": "words that are neither answered nor spoken, one per line",
}
_NEEDED = ("starlette", "uvicorn")
_LEAST_TOKEN = 8
_QUOTA_EACH = 0.4
"""Of the quota, for one visitor."""


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="netflips serve",
        description="Start a web page to dub with: upload a video, see what was understood, correct a sentence, download the dub. "
        "Only this machine can reach it, unless --host is given. Ctrl-C ends it; finished jobs are kept.",
    )
    parser.add_argument("--port", type=int, default=7860, help="port to listen on, 0 = any free port (default: 7860)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on, 0.0.0.0 = reachable from other machines (default: this machine only)",
    )
    parser.add_argument(
        "--token", default="", help="secret that a visitor must give (default: none for this machine, a random one with --host)"
    )
    parser.add_argument(
        "--work-dir", type=Path, default=Path("netflips-page"), metavar="DIR", help="uploads and jobs (default: netflips-page)"
    )
    parser.add_argument("--limit", default="500M", metavar="SIZE", help="largest upload (default: 500M)")
    parser.add_argument("--longest", default="1h", metavar="TIME", help="longest upload in time (default: 1h)")
    parser.add_argument("--keep", default="1d", metavar="TIME", help="how long jobs and uploads are kept (default: 1d)")
    parser.add_argument("--quota", default="50G", metavar="SIZE", help="disk space for all uploads and jobs (default: 50G)")
    parser.add_argument(
        "--proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="reverse proxy whose X-Forwarded-For gives visitors' addresses, or a network of proxies; limits are counted "
        "by these addresses, and a token is required; may be repeated",
    )
    models = parser.add_argument_group(
        "models", "the first three belong together; without them, the small models of the bundle are used"
    )
    for flag, what in _MODEL_FILES.items():
        models.add_argument(flag, type=Path, metavar="FILE", help=what)
    for flag, what in _FOLDERS.items():
        models.add_argument(flag, type=Path, metavar="DIR", help=what)
    models.add_argument("--speak-with", metavar="COMMAND", help="text-to-speech program for the cascade, as in netflips dub")
    models.add_argument("--vocoder-unit-offset", metavar="N|auto", help="as in netflips dub")
    models.add_argument("--translator-unit-offset", type=int, metavar="N", help="as in netflips dub")
    avatar = parser.add_argument_group("the tab Avatar", "as in netflips avatar")
    for flag, what in _REPLIES.items():
        avatar.add_argument(flag, type=Path, metavar="FILE", help=what)
    avatar.add_argument(
        "--reply-command", metavar="COMMAND", help="program that reads the question from standard input and prints the answer"
    )
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def serve_settings(options: argparse.Namespace) -> Settings:
    """Return what was asked for. Raises UsageError, InputError for a model that is not there."""
    if not 0 <= options.port <= 65_535:
        raise UsageError("--port is out of range", expected="0 to 65535", found=options.port)
    if options.token and len(options.token) < _LEAST_TOKEN:
        raise UsageError("--token is too short", expected=f"{_LEAST_TOKEN} letters or more")
    quota = parse_size(options.quota, "--quota")
    settings = Settings(
        work_dir=options.work_dir.absolute(),
        host=options.host,
        port=options.port,
        token=options.token,
        limit_bytes=parse_size(options.limit, "--limit"),
        longest_s=parse_seconds(options.longest, "--longest"),
        keep_s=parse_seconds(options.keep, "--keep"),
        quota_bytes=quota,
        quota_each_bytes=int(quota * _QUOTA_EACH),
        proxies=tuple(map(_network, options.proxy)),
        models=_models(options) | _replies(options),
        running=("--device", device_name(options), "--precision", options.precision),
    )
    if settings.is_local or settings.token:
        return settings
    return replace(settings, token=secrets.token_urlsafe(12))


def _network(text: str) -> str:
    """Return an address or a network. Raises UsageError."""
    try:
        ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError("--proxy takes an address or a network", expected="such as 127.0.0.1 or 10.0.0.0/8", found=text) from error
    return text


def _models(options: argparse.Namespace) -> dict[str, str]:
    """Words of the command line for models. Jobs run in other folders, so paths are absolute."""
    found = {}
    for flag, what in _MODEL_FILES.items():
        path = getattr(options, flag.removeprefix("--").replace("-", "_"))
        if path is not None:
            found[flag] = str(require_file(path, f"the {what.partition(' (')[0].partition(',')[0]}").absolute())
    for flag, path in (("--recognizer", options.recognizer), ("--text-translator", options.text_translator)):
        if path is not None:
            if not path.is_dir():
                raise UsageError(f"{flag} takes a folder", found=path)
            found[flag] = str(path.absolute())
    for flag, value in (
        ("--speak-with", options.speak_with and _program(options.speak_with, "--speak-with")),
        ("--vocoder-unit-offset", options.vocoder_unit_offset),
        ("--translator-unit-offset", options.translator_unit_offset),
    ):
        if value is not None:
            found[flag] = str(value)
    return found


def _program(command: str, flag: str) -> str:
    """A command whose files are found from any folder. Raises UsageError."""
    return shlex.join(str(Path(word).absolute()) if Path(word).is_file() else word for word in parse_command(command, flag))


def _replies(options: argparse.Namespace) -> dict[str, str]:
    """Words of the command line for the avatar's answers, read here once so that what is wrong is said before anybody asks."""
    if (options.replies, options.blocked, options.reply_command) == (None, None, None):
        return {}
    from netflips.avatar.guards import WordList
    from netflips.avatar.replies import Replies

    found = {}
    for flag, path, read in (("--replies", options.replies, Replies.read), ("--blocked", options.blocked, WordList.read)):
        if path is not None:
            read(path)
            found[flag] = str(path.absolute())
    if options.reply_command is not None:
        if options.replies is not None:
            raise UsageError("answers come from --replies or from --reply-command", found="both", hint="leave one out")
        found["--reply-command"] = _program(options.reply_command, "--reply-command")
    return found


def _work(options: argparse.Namespace) -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            "the page needs more than the commands do",
            found=f"not installed: {', '.join(missing)}",
            hint=pip_line("web"),
        )
    settings = serve_settings(options)
    try:
        settings.work_dir.mkdir(parents=True, exist_ok=True)
        settings.work_dir.chmod(0o700)  # what visitors send is nobody else's
    except OSError as error:
        raise OutputError("the work folder cannot be made", path=settings.work_dir, found=error.strerror) from error
    with folder_lock(settings.work_dir), _listening(settings) as listening:
        _announce(settings, listening.getsockname()[1])
        with loading():
            from netflips.serve.app import build_app
            from netflips.serve.connections import make_server

        app = build_app(settings)
        try:
            make_server(app).run(sockets=[listening])
        except SystemExit:  # as uvicorn ends where the application cannot begin
            raise getattr(app.state, "trouble", None) or OutputError("the server could not begin") from None


def _listening(settings: Settings) -> socket.socket:
    """Return the socket that it listens at. Raises UsageError where that cannot be."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise UsageError(
            f"{settings.host}:{settings.port} cannot be listened at", found=error.strerror, hint="give another --port or --host"
        ) from error


def _announce(settings: Settings, port: int) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if not settings.is_local:
        LOG.warning(
            "warning: other machines can reach this page, and what they send and see goes over the network unencrypted; whoever "
            "knows the token may use it"
        )
    secret = f"?{urlencode({'token': settings.token})}" if settings.token else ""
    LOG.warning("NetfLips is at http://%s:%d/%s (Ctrl-C ends it); jobs are kept in %s", host, port, secret, settings.work_dir)


if __name__ == "__main__":
    sys.exit(main())

"""`netflips serve`: a web page to dub with, on this machine."""

import secrets
import shlex
import socket
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import Meta

from avcore.command import LOG
from avcore.errors import Message, OutputError, UsageError, pip_line
from avcore.files import Input
from avcore.flags import Command, CommonOptions, flag, flags_of
from avcore.journal import folder_lock
from avcore.loading import loading
from avcore.programs import parse_command
from avcore.texts import read_text
from netflips.cascade.program import require_translate_with
from netflips.provenance.options import MarkFlags
from netflips.serve.settings import Settings, parse_seconds, parse_size
from unit2av.lipsync.backend import value_options

_NEEDED = ("starlette", "uvicorn")
_LEAST_TOKEN = 8


def _add_lip_sync_options(group: Any) -> None:
    for option in value_options():
        option.add_to(group)


def _lip_sync_values(given: Any) -> dict[str, Any]:
    found = {option.flag: getattr(given, option.name) for option in value_options()}
    return {flag: value for flag, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class ServeOptions(CommonOptions):
    """Start a web page to dub with: upload a video, see what was understood, correct a sentence, download the dub. Only this
    machine can reach it, unless --host is given. Ctrl-C ends it; finished jobs are kept."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = flag(default=7860, group="server")
    """port to listen on, 0 = any free port (default: 7860)"""
    host: str = flag(default="127.0.0.1")
    """address to listen on, 0.0.0.0 = reachable from other machines (default: this machine only)"""
    token: str = flag(default="")
    """secret that a visitor must give (default: none for this machine, a random one with --host)"""
    token_file: Path | None = flag(default=None, file=Input("the token's file"))
    """its file, of one line: the list of processes does not show it then, and it is not printed"""
    work_dir: Path = flag(default=Path("netflips-page"), metavar="DIR")
    """uploads and jobs (default: netflips-page)"""
    limit: str = flag(default="500M", metavar="SIZE")
    """largest upload (default: 500M)"""
    longest: str = flag(default="1h", metavar="TIME")
    """longest upload in time (default: 1h)"""
    keep: str = flag(default="1d", metavar="TIME")
    """how long jobs and uploads are kept (default: 1d)"""
    operator: str = flag(default="", metavar="NAME")
    """you offer the page to others, under that name: all that it makes is labelled and signed, and visitors are told so and asked
    for the consent of those who are seen and heard; it then speaks no text alone (default: it is for your own use)"""
    sign_key: Path | None = flag(default=None, file=Input("the signing key"))
    """of an operator: private key, PEM (default: one that is made once for this machine, which nobody else trusts)"""
    sign_certificate: Path | None = flag(default=None, file=Input("the signing certificate"))
    """its certificate and those that it rests on, PEM"""
    av2unit_path: Path | None = flag(
        default=None,
        file=Input("the unit encoder"),
        group=("models", "the first three belong together; without them, the small models of the bundle are used"),
    )
    """unit encoder"""
    utut_path: Path | None = flag(default=None, file=Input("the unit translator"))
    """unit translator"""
    unit2av_path: Path | None = flag(default=None, file=Input("the unit AV renderer"))
    """unit AV renderer"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """speaker encoder (default: resemblyzer's weights)"""
    text2unit_path: Path | None = flag(default=None, file=Input("the text-to-unit model"))
    """text-to-unit model, for texts to speak (default: the bundle's, if it has one)"""
    unit2text_path: Path | None = flag(default=None, file=Input("the unit recognizer"))
    """unit recognizer, for the texts of both sides (default: the bundle's, if it has one)"""
    lip_sync: dict[str, Any] = flags_of(_add_lip_sync_options, _lip_sync_values, dict)
    recognizer: Path | None = flag(default=None, metavar="DIR")
    """Whisper folder, for the cascade and the tab Avatar (default for the cascade: the downloaded one)"""
    text_translator: Path | None = flag(default=None, metavar="DIR")
    """CTranslate2 folder of a translator, for the cascade (default: the one of netflips models get korean-free)"""
    translate_with: str | None = flag(default=None, metavar="COMMAND|URL")
    """translator in its place, as in netflips dub"""
    translate_model: str | None = flag(default=None, metavar="NAME")
    """language model of --translate-with"""
    speak_with: str | None = flag(default=None, metavar="COMMAND")
    """text-to-speech program for the cascade, as in netflips dub"""
    vocoder_unit_offset: str | None = flag(default=None, metavar="N|auto")
    """as in netflips dub"""
    translator_unit_offset: int | None = flag(default=None)
    """as in netflips dub"""
    replies: Path | None = flag(
        default=None, file=Input("the replies"), metavar="FILE", group=("the tab Avatar", "as in netflips avatar")
    )
    """questions with their answers (default: those of the demo's phrasebook)"""
    blocked: Path | None = flag(default=None, file=Input("the list of blocked words"), metavar="FILE")
    """words that are neither answered nor spoken, one per line"""
    reply_command: str | None = flag(default=None, metavar="COMMAND")
    """program that reads the question from standard input and prints the answer"""

    def models(self) -> dict[str, str]:
        """Return words of the command line for models, by flag. Jobs run in other folders, so paths are absolute.

        Raises UsageError.
        """
        given = {f"--{name.replace('_', '-')}": getattr(self, name) for name in _MODELS} | self.lip_sync
        found = {name: value.absolute() if isinstance(value, Path) else value for name, value in given.items()}
        commands = {"--speak-with": self.speak_with, "--reply-command": self.reply_command}
        commands |= {option.flag: self.lip_sync.get(option.flag) for option in value_options() if option.is_command}

        if self.translate_with is not None:
            require_translate_with(self.translate_with, self.translate_model)
            found["--translate-with"] = self.translate_with
            if not self.translate_with.startswith(("http://", "https://")):
                commands["--translate-with"] = self.translate_with

        found |= {name: command and _program(command, name) for name, command in commands.items()}
        return {name: str(value) for name, value in found.items() if value is not None}


_MODELS = (
    "av2unit_path", "utut_path", "unit2av_path", "speaker_encoder_path", "text2unit_path", "unit2text_path", "recognizer",
    "text_translator", "translate_model", "vocoder_unit_offset", "translator_unit_offset", "replies", "blocked",
)  # fmt: skip


def serve_settings(options: ServeOptions) -> Settings:
    """Return the server's settings from the options. Raises UsageError, InputError for a model that is not there."""
    if not options.host.strip():
        raise UsageError("--host takes an address", expected="such as 127.0.0.1, or 0.0.0.0 for all of this machine", found='""')
    token = _token(options)

    _require_replies(options)
    _require_engines(options)
    settings = Settings(
        work_dir=options.work_dir.absolute(),
        host=options.host,
        port=options.port,
        token=token,
        limit_bytes=parse_size(options.limit, "--limit"),
        longest_s=parse_seconds(options.longest, "--longest"),
        keep_s=parse_seconds(options.keep, "--keep"),
        models=options.models(),
        running=("--device", options.device, "--precision", options.precision),
        operator=options.operator,
        signing=_signing(options),
    )

    if settings.is_local or settings.token:
        return settings
    return replace(settings, token=secrets.token_urlsafe(12))


def _token(options: ServeOptions) -> str:
    """Return the secret that was given; "" = none. Raises UsageError, InputError."""
    token, name = options.token, "--token"
    if options.token_file is not None:
        token, name = read_text(options.token_file, "the token's file").strip(), "--token-file"
        if options.token:
            raise UsageError("the token is given twice", expected="--token or --token-file", found="both")
    if (token or options.token_file) and (len(token) < _LEAST_TOKEN or not token.isprintable()):
        raise UsageError(Message("{name} is no secret", name=name), expected=f"a line of {_LEAST_TOKEN} letters or more")
    return token


def _signing(options: ServeOptions) -> tuple[str, ...]:
    """Return the command-line words for an operator's key. The key is tried here, because otherwise job after job would fail.

    Raises UsageError, InputError.
    """
    marks = MarkFlags(operator=options.operator, sign_key=options.sign_key, sign_certificate=options.sign_certificate)
    if not options.operator:
        if marks.sign:
            raise UsageError("--sign-key belongs to --operator", hint="name who offers the page")
        return ()
    from netflips.provenance.manifest import Signing

    Signing.of(marks)
    found = {"--sign-key": marks.sign_key, "--sign-certificate": marks.sign_certificate}
    return tuple(word for flag, path in found.items() if path is not None for word in (flag, str(path.absolute())))


def _program(command: str, flag: str) -> str:
    """Return a command with absolute paths, so that its files are found from any folder. Raises UsageError."""
    return shlex.join(str(Path(word).absolute()) if Path(word).is_file() else word for word in parse_command(command, flag))


def _require_replies(options: ServeOptions) -> None:
    """Read the avatar's answers, so that errors are reported before anybody asks. Raises UsageError, InputError."""
    if options.replies is not None or options.blocked is not None:
        from netflips.dialogue.guards import WordList
        from netflips.dialogue.replies import Replies

        for path, read in ((options.replies, Replies.read), (options.blocked, WordList.read)):
            if path is not None:
                read(path)
    if options.reply_command is not None and options.replies is not None:
        raise UsageError("answers come from --replies or from --reply-command", found="both", hint="leave one out")


def _require_engines(options: ServeOptions) -> None:
    """Check the files in the cascade's folders, so that a wrong folder is reported before anybody asks. Raises InputError."""
    if options.recognizer is not None:
        from netflips.recognizers.opening import require_recognizer_folder

        require_recognizer_folder(options.recognizer)
    if options.text_translator is not None and options.translate_with is not None:
        raise UsageError("--translate-with stands in place of --text-translator", hint="leave one of them out")
    if options.text_translator is not None:
        from netflips.cascade.translator import require_translator_folder

        require_translator_folder(options.text_translator)


def _work(options: ServeOptions) -> None:
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
        _announce(settings, listening.getsockname()[1], is_shown=options.token_file is None)
        with loading():
            from netflips.serve.app import build_app, make_server

        app = build_app(settings)
        try:
            make_server(app).run(sockets=[listening])
        except SystemExit:  # as uvicorn ends where the application cannot begin
            raise getattr(app.state, "trouble", None) or OutputError("the server could not begin") from None


def _listening(settings: Settings) -> socket.socket:
    """Return the socket that the server listens on. Raises UsageError where that is not possible."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise UsageError(
            f"{settings.host}:{settings.port} cannot be listened at", found=error.strerror, hint="give another --port or --host"
        ) from error


def _announce(settings: Settings, port: int, is_shown: bool) -> None:
    """Print where the page is. is_shown: whether with its token."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if not settings.is_local:
        LOG.warning(
            "warning: other machines can reach this page, and what they send and see goes over the network unencrypted; whoever "
            "knows the token may use it"
        )

    secret = f"?{urlencode({'token': settings.token})}" if settings.token and is_shown else ""
    LOG.warning("NetfLips is at http://%s:%d/%s (Ctrl-C ends it); jobs are kept in %s", host, port, secret, settings.work_dir)


_COMMAND = Command(ServeOptions, "netflips serve", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())

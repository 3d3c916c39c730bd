"""Signs an administrator in at a terminal: asks the questions of each step, and explains refusals."""

from __future__ import annotations

import sys
import warnings
from getpass import GetPassWarning

import segno
import typer

from sandes_client.admin import AskCode, AskNewPassword, Cognito, SetUpAuthenticator, SignedIn, SignInRefused, begin
from sandes_client.admin.sign_in import Step, Tokens
from sandes_client.cli.session import CommandFailed

TRIES = 3
"""Number of wrong codes or new passwords after which the sign-in ends."""


def sign_in(cognito: Cognito, email: str) -> Tokens:
    """Ask for password and code. At the first sign-in, ask for a new password and set up an authenticator.

    Raise CommandFailed or Unreachable.
    """
    step = _first(cognito, email)
    while not isinstance(step, SignedIn):
        step = _answered(step)
    return step.tokens


def refusal(error: SignInRefused) -> CommandFailed:
    texts = {
        "NotAuthorized": ("sign_in_refused", error.message or "the password is wrong"),
        "CodeMismatch": ("code_incorrect", "the code is wrong"),
        "EnableSoftwareTokenMFA": ("code_incorrect", "the code is wrong; is this machine's clock right?"),
        "ExpiredCode": ("code_used", "the code was used already; wait for the next one"),
        "InvalidPassword": ("password_too_weak", error.message),
        "TooManyRequests": ("rate_limited", "too many attempts; wait a while"),
        "LimitExceeded": ("rate_limited", "too many attempts; wait a while"),
    }
    return CommandFailed(*texts.get(error.code, ("sign_in_refused", error.message or error.code)))


def _first(cognito: Cognito, email: str) -> Step:
    try:
        return begin(cognito, email, _prompt("Password", hide_input=True))
    except SignInRefused as error:
        raise refusal(error) from None


def _answered(step: AskNewPassword | SetUpAuthenticator | AskCode) -> Step:
    """Ask until the user has answered a step, a few times at most, and return the next step. Raise CommandFailed."""
    if isinstance(step, SetUpAuthenticator):
        _show(step)
    for tried in range(TRIES):
        try:
            return step.answer(_asked(step))
        except SignInRefused as error:
            told = refusal(error)
            if error.code == "NotAuthorized" or tried == TRIES - 1:
                raise told from None
            typer.echo(f"{told}", err=True)
    raise AssertionError("unreachable")


def _asked(step: AskNewPassword | SetUpAuthenticator | AskCode) -> str:
    if isinstance(step, AskNewPassword):
        typer.echo(
            "Choose a password of 12 or more characters, with lower and upper case letters, digits and symbols.",
            err=True,
        )
        return _prompt("New password", hide_input=True, confirmation_prompt=True)
    return _prompt("Code of the authenticator app").replace(" ", "")


def _prompt(question: str, *, hide_input: bool = False, confirmation_prompt: bool = False) -> str:
    """Ask a question. Raise CommandFailed if the input has ended."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GetPassWarning)  # users may choose an input without a terminal
            return str(typer.prompt(question, err=True, hide_input=hide_input, confirmation_prompt=confirmation_prompt))
    except typer.Abort:
        typer.echo(err=True)
        raise CommandFailed("no_input", "the input ended before an answer was given; sign in at a terminal") from None


def _show(step: SetUpAuthenticator) -> None:
    """Show the secret on standard error, as all questions. It then cannot get into a pipe by mistake."""
    typer.echo("Set up an authenticator app. Scan this code, or type the secret.\n", err=True)
    if sys.stderr.isatty():
        segno.make(step.uri, error="m").terminal(out=sys.stderr, compact=True)
    typer.echo(f"secret: {step.secret}\naddress: {step.uri}\n", err=True)

"""Runs the local engine: MiniStack as a child process, and this project's CDK app deployed on it.

`Engine` starts and stops the process. `deploy` synthesises the real app, deploys it with the real CDK command line and
applies the adaptations listed in docs/local-engine.md. The state is in one folder and survives `stop` and `start`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import boto3
from botocore.exceptions import ClientError

from infra import stages
from sandes.store.schema import TABLES
from tools.layers import build as build_layer
from tools.patience import Progress, Say, wait_while

ROOT = Path(__file__).parent.parent
ENGINE_PYTHON = ROOT / ".local" / "engine" / "bin" / "python"
ENGINE_COMMAND = ENGINE_PYTHON.with_name("ministack")
PATCHES = ROOT / "tools" / "engine_patches.py"
"""Script that starts the engine with the missing features."""
CDK = ROOT / "node_modules" / ".bin" / "cdk"
STACK = "Sandes-local"
ACCOUNT, REGION = "000000000000", "us-east-1"
IDLE_SECONDS = 60
"""Seconds for which a process that starts or saves its state may neither use CPU nor write, before it is given up."""


class EngineError(Exception):
    """Reports that the engine or a deployment failed. The text says which step, and where its output is."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def former_port(file: Path) -> int:
    """Return the port of the last run, or 0 if there was none."""
    return int(file.read_text()) if file.exists() else 0


def usual_port(former: int) -> int:
    """Return the port of the last run if it is free, so that nothing need be deployed again, or else a free port."""
    return former if former and is_free(former) else free_port()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def move_state(state: Path, former: int, port: int) -> None:
    """Change the port in an engine's saved state, because addresses of queues contain it."""
    if former in {0, port}:
        return
    for file in state.glob("*.json"):
        text = file.read_text()
        moved = re.sub(rf"\b(localhost|127\.0\.0\.1):{former}\b", rf"\1:{port}", text)
        if moved != text:
            file.write_text(moved)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Holds the addresses of a deployed stack."""

    http_url: str
    websocket_url: str
    audience: str
    operator: str
    rekey: str
    aws_endpoint: str
    cognito_url: str
    admin_pool: str
    admin_client: str
    tables: dict[str, str]

    def write(self, file: Path) -> None:
        """Write them as the `--endpoints` file of `sandes` and `sandes-admin`."""
        names = (
            "http_url",
            "websocket_url",
            "audience",
            "operator",
            "rekey",
            "aws_endpoint",
            "cognito_url",
            "admin_client",
        )
        file.write_text(json.dumps({name: getattr(self, name) for name in names}, indent=2) + "\n")


@dataclass(slots=True)
class Engine:
    """Is one engine process on loopback, with its state below `folder`.

    Without a `port`, `start` uses the port of the last run, or a free one.

    With `enforce_iam` (from the next `start` on) each function may do only what its role allows. Deploying needs it
    off, because the assets bucket then requires TLS.
    """

    folder: Path
    port: int = 0
    enforce_iam: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _held: IO[str] | None = field(default=None, repr=False)

    @classmethod
    def running_in(cls, folder: Path) -> Self:
        """Return the engine that another process keeps running in `folder`. Raise EngineError if there is none."""
        port = former_port(folder / "port")
        engine = cls(folder, port or 0)
        if port is None or not engine._healthy():
            raise EngineError(f"no engine is running in {folder}")
        return engine

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "engine.log"

    def start(self, say: Say = lambda _: None) -> None:
        """Start the engine and wait until it answers, however slow the machine is. Raise EngineError."""
        if not ENGINE_COMMAND.exists():
            raise EngineError("the engine is not installed: run `make setup`")
        self._lock()
        former = former_port(self.folder / "port")
        self.port = self.port or usual_port(former)
        if not is_free(self.port):
            raise EngineError(
                f"port {self.port} is in use: stop the program that listens there, or choose another with PORT="
            )
        for sub in ("tmp", "state", "s3"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        move_state(self.folder / "state", former, self.port)
        (self.folder / "port").write_text(f"{self.port}\n")
        with self.log.open("ab") as log:
            self._process = self._spawn(log)
        process = self._process
        if not self._wait(lambda: process.poll() is not None or self._healthy(), "the engine is starting", say):
            self.stop()
            raise EngineError(f"the engine has done nothing for {IDLE_SECONDS} s and does not answer: see {self.log}")
        if process.poll() is not None:
            raise EngineError(f"the engine ended with status {process.returncode}: see {self.log}")

    def _lock(self) -> None:
        """Lock the folder. Two engines on one folder would overwrite each other's state, so the second is refused."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._held is None:
            self._held = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EngineError(f"another engine is running on {self.folder}: stop it first") from None

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": f"{ENGINE_COMMAND.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AUTH": "true" if self.enforce_iam else "false",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "s3"),
        }
        return subprocess.Popen(
            [str(ENGINE_PYTHON), str(PATCHES)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us; SIGTERM stops the engine, which then saves its state
        )

    def forget(self) -> None:
        """Remove the state of an engine that is not running. The synthesised files stay."""
        for sub in ("tmp", "state", "s3"):
            shutil.rmtree(self.folder / sub, ignore_errors=True)
        for file in ("deployed", "outputs.json", "engine.log"):
            (self.folder / file).unlink(missing_ok=True)

    def stop(self, say: Say = lambda _: None) -> None:
        """Send SIGTERM, upon which the engine saves its state, and wait as long as it makes progress.

        `say` gets messages about the time. Do nothing if the engine is not running. Raise EngineError.
        """
        process = self._process
        if process is None or process.poll() is not None:
            self._process = None
            return
        process.send_signal(signal.SIGTERM)
        ended = self._wait(lambda: process.poll() is not None, "the engine is saving its state", say)
        self._process = None
        if not ended:
            process.kill()
            process.wait()
            raise EngineError(
                f"the engine has done nothing for {IDLE_SECONDS} s instead of saving its state. Everything "
                f"since it last saved is lost: see {self.log}"
            )

    def _wait(self, done: Callable[[], bool], doing: str, say: Say) -> bool:
        if self._process is None:
            raise EngineError("the engine is not running")
        progress = Progress(self._process.pid, (self.folder / "state", self.folder / "s3", self.folder))
        return wait_while(done, progress, idle_seconds=IDLE_SECONDS, say=say, doing=doing)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def client(self, service: str) -> Any:
        """Return a boto3 client of this engine."""
        return boto3.client(  # type: ignore[call-overload]  # the name is a variable here
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # the engine's well-known key
        )

    def sms_to(self, phone: str) -> list[str]:
        """Return the texts of the SMS to a number, the oldest first, from the engine's record of SNS."""
        quoted = phone.replace("+", "%2B")
        found = json.loads(self._get(f"/_ministack/sns/sms-messages?phoneNumber={quoted}"))
        return [message["Message"] for message in found["sms_messages"].get(phone, [])]

    def emails_to(self, address: str) -> list[str]:
        """Return the texts of the e-mails to an address, the oldest first, from the engine's record of SES."""
        messages = json.loads(self._get("/_ministack/ses/messages"))["messages"].get(ACCOUNT, [])
        return [message["BodyText"] or message["BodyHtml"] for message in messages if message["To"] == [address]]

    def _healthy(self) -> bool:
        try:
            self._get("/_ministack/health")
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310  # our own loopback address
            return bytes(answer.read())


def deploy(engine: Engine, say: Say = lambda _: None) -> Deployment:
    """Synthesise, bootstrap and deploy, each only if something changed since the last time. Raise EngineError."""
    assembly = engine.folder / "cdk.out"
    outputs = engine.folder / "outputs.json"
    deployed = engine.folder / "deployed"
    build_vendor_layer()
    fingerprint = digest_of(deployed_files(), sys.version, str(engine.port))
    if deployed.exists() and not _stands(engine):
        raise EngineError(
            f"the state in {engine.folder} is damaged, as after a kill -9: remove that folder and start again"
        )
    synthesised = engine.folder / "synthesised"
    if _differs(synthesised, fingerprint):
        say("synthesising the CDK app")
        _cdk(engine, "synth", "--quiet", f"--context=local_port={engine.port}", f"--output={assembly}")
        synthesised.write_text(fingerprint)
    if _differs(deployed, fingerprint):
        say("deploying it with the CDK command line")
        _cdk(engine, "bootstrap", f"aws://{ACCOUNT}/{REGION}", f"--app={assembly}")
        _cdk(engine, "deploy", "--all", f"--app={assembly}", "--require-approval=never", f"--outputs-file={outputs}")
        _set_expiry_and_recovery(engine, json.loads(outputs.read_text())[STACK])
        _lock_heads(engine, json.loads(outputs.read_text())[STACK], assembly)
        engine.client("ses").verify_email_identity(EmailAddress=stages.load("local").mail_from)
        deployed.write_text(fingerprint)
    return deployment_of(engine)


def deployment_of(engine: Engine) -> Deployment:
    """Return the addresses of the last deployment on the engine. Raise FileNotFoundError if there was none."""
    values = json.loads((engine.folder / "outputs.json").read_text())[STACK]
    return Deployment(
        http_url=values["HttpUrl"],
        websocket_url=values["WebSocketUrl"],
        audience=values["TokenAudience"],
        operator=values["OperatorFunction"],
        rekey=values["RekeyFunction"],
        aws_endpoint=engine.url,
        cognito_url=values["CognitoUrl"],
        admin_pool=values["AdministratorPool"],
        admin_client=values["AdministratorClient"],
        tables={table.name: values[f"{table.name.capitalize()}Table"] for table in TABLES},
    )


def _set_expiry_and_recovery(engine: Engine, outputs: dict[str, str]) -> None:
    """Set what the engine ignores in templates: TTL and point-in-time recovery."""
    client = engine.client("dynamodb")
    for table in TABLES:
        if table.ttl:
            client.update_time_to_live(
                TableName=outputs[f"{table.name.capitalize()}Table"],
                TimeToLiveSpecification={"Enabled": True, "AttributeName": table.ttl},
            )
        if table.backup:
            client.update_continuous_backups(
                TableName=outputs[f"{table.name.capitalize()}Table"],
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )


def _lock_heads(engine: Engine, outputs: dict[str, str], assembly: Path) -> None:
    """Set Object Lock, which the engine ignores in templates."""
    resources = json.loads((assembly / f"{STACK}.template.json").read_text())["Resources"].values()
    (lock,) = [
        resource["Properties"]["ObjectLockConfiguration"]
        for resource in resources
        if resource["Type"] == "AWS::S3::Bucket" and "ObjectLockConfiguration" in resource["Properties"]
    ]
    client, bucket = engine.client("s3"), outputs["HeadsBucket"]
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)


def _stands(engine: Engine) -> bool:
    """Return whether the deployed stack is still in the engine's state, including its functions."""
    try:
        engine.client("cloudformation").describe_stacks(StackName=STACK)
    except ClientError:
        return False
    names = [function["FunctionName"] for function in engine.client("lambda").list_functions()["Functions"]]
    return any(name.startswith(f"{STACK}-") for name in names)


def _differs(mark: Path, fingerprint: str) -> bool:
    return not mark.exists() or mark.read_text() != fingerprint


def _cdk(engine: Engine, step: str, *arguments: str) -> None:
    log = engine.folder / f"{step}.log"
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(engine.folder),
        "CI": "true",
        "AWS_ENDPOINT_URL": f"http://localhost:{engine.port}",
        "AWS_ENDPOINT_URL_S3": f"http://localhost:{engine.port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".local" / "jsii"),  # 200 MB that all engines can share
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    }
    with log.open("wb") as output:
        finished = subprocess.run(
            [str(CDK), step, *arguments],
            check=False,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if finished.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EngineError(f"cdk {step} failed; the end of {log}:\n{tail}")


def build_vendor_layer() -> None:
    """Build the packages that functions import, unless they are current. Raises EngineError."""
    try:
        build_layer("local")
    except subprocess.CalledProcessError as error:
        raise EngineError("pip could not build the vendor layer: see above") from error


def deployed_files() -> list[Path]:
    """List the files that a deployment is made from. The stamp stands for the vendor layer."""
    files = [ROOT / "cdk.json", ROOT / "build" / "vendor-local.stamp"]
    for folder in ("infra", "functions", "layers"):
        files += sorted(file for file in (ROOT / folder).rglob("*") if _is_deployed(file))
    return files


def _is_deployed(file: Path) -> bool:
    return file.is_file() and file.suffix != ".pyc" and "__pycache__" not in file.parts


def digest_of(files: Iterable[Path], *facts: str) -> str:
    """Return the digest of the names and contents of files of this project, and of further facts."""
    digest = hashlib.sha256("\0".join(facts).encode())
    for file in files:
        content = file.read_bytes()
        digest.update(f"\0{file.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()

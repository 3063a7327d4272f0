"""Real Apache Kafka brokers on loopback, in KRaft mode: each is broker and controller.

The jars come from Maven Central by the hashes of tests/clients/kafka and are kept in the cache;
Java is the machine's. Data lies in a directory of the test. A broker can be killed and started
again.
"""

import base64
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from harness import certificates, foreign, waiting
from harness.ports import free_port
from harness.trouble import TroubleError

USER, PASSWORD = "loghub", "a-password"
"""Who may use the secure listener."""

START_SECONDS = 120
"""A broker is up in 4 s on an idle machine; builds beside it make that a minute."""

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_HEAP = "-Xmx384m"


class Broker:
    """One node of the cluster."""

    def __init__(self, number: int, directory: Path) -> None:
        self.number, self.directory = number, directory
        self.port, self.controller_port, self.secure_port = (free_port() for _ in range(3))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory / "broker.log"

    @property
    def settings(self) -> Path:
        return self.directory / "server.properties"


class Kafka:
    """Some brokers, usually three."""

    def __init__(self, directory: Path, count: int = 3) -> None:
        self.jars = foreign.brokers()
        self.brokers = [Broker(number, directory / str(number)) for number in range(1, count + 1)]
        self._ident = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.authority = certificates.Authority(directory / "pki")
        for broker in self.brokers:
            broker.directory.mkdir(parents=True)
            self._write_keystore(broker)
            broker.settings.write_text(self._properties(broker))
        for done in [self._format(broker) for broker in self.brokers]:
            said, _ = done.communicate()
            if done.returncode:
                raise TroubleError(f"Kafka's storage was not formatted:\n{said.decode()[-2000:]}")

    @property
    def addresses(self) -> str:
        """What a client is told."""
        return ",".join(broker.address for broker in self.brokers)

    @property
    def secure_addresses(self) -> str:
        """The same with TLS and a password, which is that of `USER`."""
        return ",".join(f"127.0.0.1:{broker.secure_port}" for broker in self.brokers)

    def start(self) -> None:
        """Start all that do not run, and wait until each has caught up."""
        for broker in self.brokers:
            if broker.process is None:
                self.start_one(broker)
        for broker in self.brokers:
            self.wait_for(broker)

    def start_one(self, broker: Broker) -> None:
        with broker.log.open("wb") as log:
            broker.process = subprocess.Popen(
                self._java("kafka.Kafka", str(broker.settings)),
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=broker.directory,
            )

    def wait_for(self, broker: Broker) -> None:
        def started() -> bool:
            assert broker.process is not None
            if broker.process.poll() is not None:
                raise TroubleError(f"a broker ended:\n{broker.log.read_text()[-2000:]}")
            return "Kafka Server started" in broker.log.read_text(errors="replace")

        waiting.until(f"Kafka's broker {broker.number} starts", started, seconds=START_SECONDS)

    def kill(self, broker: Broker) -> None:
        """kill -9: what it had not written to the disk is in the page cache, or gone."""
        assert broker.process is not None
        broker.process.send_signal(signal.SIGKILL)
        broker.process.wait()
        broker.process = None

    def stop(self) -> None:
        for broker in self.brokers:
            if broker.process is not None:
                self.kill(broker)
        for broker in self.brokers:
            shutil.rmtree(broker.directory, ignore_errors=True)

    def _java(self, program: str, *words: str) -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"
        return ["java", _HEAP, "-XX:+UseSerialGC", quiet, "-cp", f"{self.jars}/*", program, *words]

    def _format(self, broker: Broker) -> "subprocess.Popen[bytes]":
        words = ["format", "-t", self._ident, "-c", str(broker.settings)]
        return subprocess.Popen(
            self._java("kafka.tools.StorageTool", *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ,
        )

    def _write_keystore(self, broker: Broker) -> None:
        pair = self.authority.issue(f"broker{broker.number}", "broker", hosts=("127.0.0.1",))
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        # Java reads keys in PKCS #8 only.
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (broker.directory / "keystore.pem").write_bytes(text + pair.certificate.read_bytes())

    def _properties(self, broker: Broker) -> str:
        voters = ",".join(
            f"{each.number}@127.0.0.1:{each.controller_port}" for each in self.brokers
        )
        copies = min(3, len(self.brokers))
        controller = f"127.0.0.1:{broker.controller_port}"
        public = f"PLAINTEXT://{broker.address},SECURE://127.0.0.1:{broker.secure_port}"
        login = f'{_PLAIN} required user_{USER}="{PASSWORD}";'
        protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL"
        secure = "listener.name.secure"
        lines = {
            "process.roles": "broker,controller",
            "node.id": broker.number,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{public},CONTROLLER://{controller}",
            "advertised.listeners": public,
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": protocols,
            f"{secure}.ssl.keystore.type": "PEM",
            f"{secure}.ssl.keystore.location": broker.directory / "keystore.pem",
            f"{secure}.sasl.enabled.mechanisms": "PLAIN",
            f"{secure}.plain.sasl.jaas.config": login,
            "log.dirs": broker.directory / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": min(2, copies),
            "transaction.state.log.num.partitions": 3,
            "group.initial.rebalance.delay.ms": 0,
            # A dead broker is noticed within seconds, as a test has no minutes.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "replica.lag.time.max.ms": 5000,
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

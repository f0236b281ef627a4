"""What a run leaves: processes, folders, and what the Docker engine holds."""

import os
import pathlib
import signal
import subprocess

# Every process of a run inherits it.
MARK = "DYNAMO_SOAK_RUN"


def processes(mark):
    """The processes of a run that are not over, by pid, each with its command."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


class Engine:
    """The Docker engine, or that there is none."""

    def __init__(self):
        self.answers = self._ask("version") is not None
        self._volumes, self._networks = self._all("volume", "dangling=true"), self._all("network")

    def containers(self, root):
        """The ids of the containers of the run that ends with the process `root`."""
        return self._lines("container", "ls", "--all", "--quiet", "--filter", f"label=dynamo-test.run.pid={root}")

    def process_of(self, container):
        """The pid of what runs in a container, if it can be seen from here."""
        lines = self._lines("container", "inspect", "--format", "{{.State.Pid}}", container)
        pid = int(lines[0]) if lines else 0
        return pid if pid and pathlib.Path(f"/proc/{pid}").exists() else None

    def kill(self, container):
        self._ask("kill", container)

    def remove(self, container):
        self._ask("container", "rm", "--force", "--volumes", container)

    def strays(self):
        """Volumes that no container has, and networks, that were not there before the first run."""
        volumes = self._all("volume", "dangling=true") - self._volumes
        networks = self._all("network") - self._networks
        return [f"volume {name}" for name in volumes] + [f"network {name}" for name in networks]

    def _all(self, what, *filters):
        return set(self._lines(what, "ls", "--quiet", *(word for one in filters for word in ("--filter", one))))

    def _lines(self, *command):
        return (self._ask(*command) or "").split() if self.answers else []

    def _ask(self, *command):
        try:
            ran = subprocess.run(["docker", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except FileNotFoundError:
            return None
        return ran.stdout if ran.returncode == 0 else None


def of_run(mark, root, temp, kept, engine):
    """What is still there of a run, in words; `kept` says how many folders may be."""
    left = [f"process {pid}: {command[:120]}" for pid, command in processes(mark).items()]
    left += [f"container {container}" for container in engine.containers(root)]
    folders = [str(path) for path in temp.iterdir()]
    return left + (folders if len(folders) > kept else [])


def clear(mark, root, engine):
    """Ends what a run left, so that it is in nobody's way."""
    for pid in processes(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for container in engine.containers(root):
        engine.remove(container)

"""What the platform consists of: the processes that ``atoll up`` starts, in order."""

from dataclasses import dataclass

SERVICES = ("identity", "registers", "notify", "portal")
DATABASES = ("gateway", *SERVICES)


@dataclass(frozen=True)
class Component:
    """One process: a web service with a port of its own, or a worker without one."""

    name: str
    folder: str
    package: str | None = None
    interface: str = "wsgi"

    @property
    def is_service(self) -> bool:
        """Whether it answers HTTP (a worker does not)."""
        return self.package is not None


GATEWAY = Component("gateway", "gateway", "gateway", "asgi")
WORKER = Component("notify-worker", "notify")
# companies that carry texts, of which none is real: for demonstrations on this machine
SIMULATOR = Component("notify-simulator", "notify")
COMPONENTS = (
    GATEWAY,
    *(Component(name, name, f"services.{name}") for name in SERVICES),
    WORKER,
    SIMULATOR,
)
WORKER_MODULE = "services.notify.worker"
SIMULATOR_MODULE = "services.notify.simulator"

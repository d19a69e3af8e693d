"""How long the properties are tried: briefly in every test run, long with ``make fuzz``."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

_SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)
# A failure is made small with ``make fuzz`` alone: that takes minutes.
settings.register_profile(
    "brief",
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=_SLOW,
)
settings.register_profile("fuzz", max_examples=400, deadline=None, print_blob=True, suppress_health_check=_SLOW)
settings.load_profile("brief")

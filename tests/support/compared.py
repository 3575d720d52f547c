"""compare.json of a comparison that nobody made: three tasks, joint and single."""

from __future__ import annotations

from typing import Any

TASKS = ("kind", "price", "style")
COST = {
    "joint": {"seconds": 100.0, "peak_mb": 900.0, "parameters": 1_000_000, "ms_per_picture": 2.0},
    "joint_long": {"seconds": 300.0, "peak_mb": 900.0, "parameters": 1_000_000, "ms_per_picture": 2.0},
}


def compared(steps: tuple[str, ...] = (), time: tuple[str, ...] = (), epochs: int = 10) -> dict[str, Any]:
    """compare.json with the tasks that are worse at equal steps and at equal total time."""
    tasks: dict[str, Any] = {}
    for name in TASKS:
        entry = {
            "difference": {"value": -0.1, "low": -0.2, "high": 0.1, "p": 0.5},
            "error_change": 0.1,
            "verdict": "worse" if name in steps else "no difference",
        }
        timed = {**entry, "verdict": "worse" if name in time else "no difference"}
        score = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50, "seeds": 2}
        tasks[name] = {
            "type": "label",
            "metric": "accuracy",
            "best": 1.0,
            "unit": "",
            **dict.fromkeys(("joint", "joint_long", "single"), score),
            **entry,
            "equal_time": timed,
            "baselines": {},
            "clusters": {},
        }
    some = {"mean_error_change": 0.1, "worst_task": "kind", "worst_error_change": 0.1, "better": []}
    summary = {"equal_steps": {**some, "worse": [*steps]}, "equal_time": {**some, "worse": [*time]}}
    return {
        "oneglance": "0",
        "date": "2026-01-01",
        "split": "test",
        "pictures": 50,
        "seeds": 2,
        "budget": None,
        "epochs": epochs,
        "tasks": tasks,
        "summary": summary,
        "cost": dict(COST),
        "balancers": {},
        "notes": [],
    }

"""What is made of the times: medians, spread, ratios round by round, and the share of the matrix products.

ratio_r = seconds_r of the best peer / own seconds_r        the best peer is that with the smallest median
share   = seconds of the job's matrix products alone / own seconds         medians of the same rounds
"""

import statistics
from pathlib import Path

from benchmarks.speed.jobs import Job
from benchmarks.speed.peers.products import operations


def job_of(result: dict) -> Job:
    """Returns the job that a result is about."""
    return Job(**{k: tuple(v) if isinstance(v, list) else v for k, v in result["job"].items()})


def summary(result: dict) -> list[dict]:
    """Returns one row for each contender that finished, the fastest first."""
    job = job_of(result)
    done = {name: r for name, r in result["contenders"].items() if "rounds" in r}
    seconds = {name: [answer["seconds"] for answer in r["rounds"]] for name, r in done.items()}
    median = {name: statistics.median(values) for name, values in seconds.items()}

    def best(role: str) -> str | None:
        return min((name for name in done if done[name]["role"] == role), key=median.get, default=None)

    peer, machine = best("peer"), best("machine")
    rows = []
    for name, r in done.items():
        ratios = [a / b for a, b in zip(seconds[peer], seconds[name], strict=True)] if peer else []
        steps = job.epochs * job.steps
        rows.append(
            {
                "name": name,
                "role": r["role"],
                "step_ms": 1e3 * median[name] / steps,
                "step_ms_least": 1e3 * min(seconds[name]) / steps,
                "step_ms_most": 1e3 * max(seconds[name]) / steps,
                "examples_per_s": job.batch * steps / median[name],
                "ratio": statistics.median(ratios) if ratios else None,
                "ratio_least": min(ratios, default=None),
                "ratio_most": max(ratios, default=None),
                "share": median[machine] / median[name] if machine else None,
                "gflops": operations(job) * job.epochs / median[name] / 1e9 if r["role"] == "machine" else None,
                "peak_mb": max(answer["peak_mb"] for answer in r["rounds"]),
                "peak_start_mb": r["start"]["peak_start_mb"],
                "import_s": r["start"]["import_s"],
                "first_step_s": sum(r["start"][key] for key in ("import_s", "build_s", "first_s")),
                "loss": r["check"]["loss"],
            }
        )
    return sorted(rows, key=lambda row: row["step_ms"])


def table(result: dict) -> str:
    """Returns a job's table, as Markdown."""
    unit = "block" if job_of(result).likelihood else "step"
    lines = [
        f"| | ms a {unit} (least to most) | examples/s | to the best peer (least to most) | share of products "
        "| peak MB | first step s (import) | loss of the check |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in summary(result):
        machine = row["role"] == "machine"
        ratio = "" if machine or row["ratio"] is None else "{ratio:.2f} ({ratio_least:.2f} to {ratio_most:.2f})"
        share = "{gflops:.0f} GFLOP/s" if machine else "" if row["share"] is None else "{share:.0%}"
        loss = "" if machine else "{loss:.2f}"
        text = (
            "| {name} | {step_ms:.3g} ({step_ms_least:.3g} to {step_ms_most:.3g}) | {examples_per_s:,.0f} | "
            f"{ratio} | {share} | {{peak_mb:.0f}} | {{first_step_s:.1f}} ({{import_s:.1f}}) | {loss} |"
        )
        lines.append(text.format(**row))
    notes = [f"- not the same work: {text}" for text in result["differences"]]
    notes += [f"- failed: {name}: {r['failed']}" for name, r in result["contenders"].items() if "failed" in r]
    load = ", ".join(f"{value:.1f}" for value in result["load"])
    return "\n".join([*lines, "", f"Load of the machine at the start of each round: {load}.", *notes])


def picture(results: dict[str, dict], path: Path) -> None:
    """Draws examples a second, one panel a job; the bar is the median, the whisker least to most."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = {"ours": "tab:orange", "peer": "tab:blue", "machine": "lightgrey"}
    height = [len(summary(result)) for result in results.values()]
    figure, panels = plt.subplots(
        len(results), 1, figsize=(8, 0.9 * len(results) + 0.24 * sum(height)), height_ratios=height, squeeze=False
    )
    for panel, (name, result) in zip(panels[:, 0], results.items(), strict=True):
        rows = summary(result)[::-1]
        speed = [row["examples_per_s"] for row in rows]
        slow, fast = ([row["examples_per_s"] * row["step_ms"] / row[f"step_ms_{end}"] for row in rows]
                      for end in ("most", "least"))  # fmt: skip
        whiskers = [[s - low for s, low in zip(speed, slow, strict=True)],
                    [high - s for s, high in zip(speed, fast, strict=True)]]  # fmt: skip
        names = [row["name"] for row in rows]
        panel.barh(names, speed, xerr=whiskers, color=[colours[row["role"]] for row in rows], error_kw={"lw": 1})
        panel.set_title(f"({name}) {job_of(result).title}", fontsize=9)
        panel.tick_params(labelsize=7)
        panel.set_xlabel("examples a second", fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)

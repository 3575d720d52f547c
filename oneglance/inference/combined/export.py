"""Several networks written as one .onnx file, compared with each of them before it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from oneglance.errors import ConfigError, command
from oneglance.inference.combined.onnx_file import (
    JointOnnxEngine,
    PartOfEngine,
    input_name,
    packed_members,
    prefix,
)
from oneglance.inference.combined.predictor import CombinedPredictor, Member
from oneglance.inference.engines.onnx import KEY, open_session, passes_for
from oneglance.inference.export import COMPARED, in_full_precision, refuse, refuse_disagreement
from oneglance.inference.export_comparison import (
    all_outputs,
    described,
    disagreement,
    random_pictures,
    records_of_splits,
    sampled,
    scores,
)
from oneglance.inference.exported_network import Exported, as_onnx, quiet
from oneglance.inference.parallel_passes import threads_of_each
from oneglance.progress import Screen
from oneglance.storage.atomic_files import write_bytes
from oneglance.storage.combined_folder import CombinedFolder


def export_combined(
    combined: CombinedFolder, out: Path | None, format: str, precision: str, screen: Screen
) -> dict[str, Any]:
    """Write all networks of a combined folder; see ``api.export``.

    Raises:
        ConfigError: another format or precision than is written of several networks.
        RunError: one of them would answer otherwise.
    """
    refuse(format, precision)
    if (format, precision) != ("onnx", "fp32"):
        alone = combined.networks[0].run.path
        raise ConfigError(
            f"several networks are written as one file in fp32 and the format onnx only, not {precision} "
            f"and {format}",
            hint="write each into a file of its own: "
            + command("export", alone, "--format", format, "--precision", precision),
        )
    path = out or combined.path / "model.onnx"
    members = [Member(one.name, in_full_precision(one.run), one.rename) for one in combined.networks]
    several = CombinedPredictor(members)
    pictures = [
        sampled(
            member.predictor, records_of_splits(one.run, member.predictor, screen)["validation"], COMPARED
        )
        or random_pictures(member.predictor)
        for one, member in zip(combined.networks, members, strict=True)
    ]
    graphs, expected = [], []
    for one, member, compared in zip(combined.networks, members, pictures, strict=True):
        screen.say(f"writing {one.name}, comparing it on {described(compared)}")
        ours = member.predictor
        expected.append(all_outputs(ours.engine, compared.canvases))
        network = one.run.network(ours.config, ours.tasks)
        with quiet():
            written = as_onnx(Exported(network, half=False), ours, compared.canvases, "fp32", str(path))
            graphs.append(written.content(None))
    content = merged(graphs, several.views, packed_members(members))
    passes = passes_for("cpu")
    session = open_session(content, "cpu", threads_of_each(passes), location=str(path))
    tasks = [list(member.predictor.tasks) for member in members]
    joint = JointOnnxEngine(session, several.canvases, tasks, passes, location=str(path))
    differences: dict[str, float] = {}
    compared_scores: dict[str, Any] = {}
    for number, (member, compared, before) in enumerate(zip(members, pictures, expected, strict=True)):
        after = all_outputs(PartOfEngine(joint, number, several.views[number]), compared.canvases)
        in_run, in_file = (scores(member.predictor, each.raw, compared) for each in (before, after))
        for own, name in member.names().items():
            differences[name] = disagreement(
                before.raw[own], after.raw[own], member.predictor.tasks[own].raw_unit
            )
            if own in in_run:
                compared_scores[name] = {**in_run[own], "file": in_file[own]["run"]}
    refuse_disagreement(differences, precision, path)
    write_bytes(path, content)
    screen.close()
    return {
        "file": str(path),
        "format": format,
        "precision": precision,
        "bytes": len(content),
        "pictures": sum(len(each.canvases) for each in pictures),
        "drawn": not all(each.records for each in pictures),
        "disagreement": differences,
        "speed": None,
        "scores": compared_scores,
    }


def merged(graphs: Sequence[bytes], views: Sequence[int], metadata: str) -> bytes:
    """Files of single networks as one: the names of each begin with its number, but for inputs.

    Args:
        views: the number of each network's canvas among the distinct ones.
    """
    import onnx

    whole = onnx.ModelProto()
    taken: set[str] = set()
    for number, content in enumerate(graphs):
        one = onnx.load_from_string(content)
        if not number:
            whole.CopyFrom(one)
            for part in ("graph", "metadata_props"):
                whole.ClearField(part)
            whole.graph.name = "several networks"
        # All come from the same exporter, so that they speak of the same operators.
        assert list(one.opset_import) == list(whole.opset_import)
        assert not one.functions
        onnx.compose.add_prefix(one, prefix(number), inplace=True)
        (pictures,) = one.graph.input
        own, name = pictures.name, input_name(views[number])
        for node in _nodes(one.graph):
            node.input[:] = [name if each == own else each for each in node.input]
        pictures.name = name
        if name not in taken:
            taken.add(name)
            whole.graph.input.append(pictures)
        for part in ("node", "initializer", "sparse_initializer", "value_info", "output"):
            getattr(whole.graph, part).extend(getattr(one.graph, part))
    order = [input_name(view) for view in sorted(set(views))]
    whole.graph.input.sort(key=lambda each: order.index(each.name))
    onnx.helper.set_model_props(whole, {KEY: metadata})
    data: bytes = whole.SerializeToString()
    return data


def _nodes(graph: Any) -> Iterator[Any]:
    """All nodes, those of graphs within nodes too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)

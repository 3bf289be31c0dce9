"""TensorBoard: one folder of events for each run, with its configuration on the page of hyperparameters.

Numbers are stored in float64, as tensors. TensorBoard draws them in float32 or float64, depending on its data server.
Source: TensorBoard, the proto files `summary.proto` and `tensor.proto`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sim.trackers._runs import Run, Series

NEEDS = ("tensorboardX",)
LOOK = "tensorboard --logdir {folder}"


def write(runs: Iterable[Run], folder: Path) -> None:
    """Write the folder <name>-<hash> for each run."""
    from tensorboardX.summary import hparams
    from tensorboardX.writer import FileWriter

    for run in runs:
        writer = FileWriter(str(folder / run.label))
        compared = {one.name: 0.0 for one in run.series if "/at=" not in one.name and not one.is_truth}
        config = {name: "null" if value is None else value for name, value in run.config.items()}
        for summary in hparams(config, compared):
            writer.add_summary(summary)
        for series in run.series:
            _add(writer, series)
        writer.close()


def _add(writer: Any, series: Series) -> None:
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboardX.proto.tensor_pb2 import TensorProto
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    data = SummaryMetadata.PluginData(plugin_name="scalars")
    metadata = SummaryMetadata(summary_description=series.about, plugin_data=data)
    for step, value in zip(series.steps, series.values, strict=True):
        tensor = TensorProto(dtype="DT_DOUBLE", double_val=[value], tensor_shape=TensorShapeProto())
        writer.add_summary(Summary(value=[Summary.Value(tag=series.name, metadata=metadata, tensor=tensor)]), step)

"""Prints what TensorBoard's own writer makes of the events in the tests of crates/pretrain/src/tensorboard.rs, in hex, a line a record.

    python tools/golden/tensorboard.py

tensorboard==2.21.0 protobuf==7.36.2
"""

import io

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

WALL_TIME = 1_700_000_000.25


def scalars(step: int, wall_time: float, values: dict[str, float]) -> Event:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
    return Event(wall_time=wall_time, step=step, summary=summary)


EVENTS = [
    Event(wall_time=WALL_TIME, file_version="brain.Event:2"),
    Event(wall_time=WALL_TIME, step=300, session_log=SessionLog(status=SessionLog.START)),
    scalars(0, WALL_TIME, {"loss": 5.545177, "learning_rate": 0.0}),
    scalars(300, WALL_TIME + 0.5, {"loss": -0.0, "größe/" + "x" * 121: float("inf")}),
    scalars(2**40, WALL_TIME + 1e-3, {}),
    scalars(-1, WALL_TIME, {"largest": 3.4028234663852886e38, "nan": float("nan")}),
]

for event in EVENTS:
    file = io.BytesIO()
    RecordWriter(file).write(event.SerializeToString())
    print(file.getvalue().hex())

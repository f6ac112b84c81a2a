"""OTLP's messages, of which one within another stays bytes until it is wanted.

So two bytes that are an empty message never become an object of hundreds, and what no table names
is never unfolded.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def _shallow(message: Any) -> Any:
    """The message with bytes for messages and numbers for enums: they are the same on the wire."""
    file = FileDescriptorProto(name=f"{message.DESCRIPTOR.name}.proto", syntax="proto3")
    made = file.message_type.add()
    message.DESCRIPTOR.CopyToProto(made)
    for name in ("nested_type", "enum_type", "reserved_range", "reserved_name"):
        made.ClearField(name)
    for field in made.field:
        if field.type == FieldDescriptorProto.TYPE_MESSAGE:
            field.type = FieldDescriptorProto.TYPE_BYTES
        elif field.type == FieldDescriptorProto.TYPE_ENUM:
            field.type = FieldDescriptorProto.TYPE_INT32
        field.ClearField("type_name")
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(made.name))


ResourceMessage = _shallow(Resource)
ScopeMessage = _shallow(InstrumentationScope)
SpanMessage = _shallow(Span)
EventMessage = _shallow(Span.Event)
LogMessage = _shallow(LogRecord)

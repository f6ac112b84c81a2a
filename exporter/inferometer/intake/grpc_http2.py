"""HTTP/2 as a server of gRPC speaks it, by the library h2."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from inferometer.intake.grpc_answer import Header
from inferometer.intake.grpc_frames import FRAME_BYTES, HEADER_BYTES

STREAMS = 32  # calls of one connection at once
WINDOW = 2**18  # bytes of a call that may come before there is room for more
CONNECTION_WINDOW = 2**20  # and of all calls of a connection

_SETTINGS = {
    SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
    SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_BYTES,
    SettingCodes.MAX_FRAME_SIZE: FRAME_BYTES,
    SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
}


class Http2(H2Connection):
    """h2's connection, with less memory of streams that are closed."""

    MAX_CLOSED_STREAMS = 128  # 65536 otherwise, for as long as the connection lasts

    def __init__(self) -> None:
        super().__init__(H2Configuration(
            client_side=False, header_encoding=None,
            # Ours are right, and of theirs few are read and none is passed on: a third of its time.
            validate_inbound_headers=False, normalize_inbound_headers=False,
            validate_outbound_headers=False, normalize_outbound_headers=False))
        self.local_settings = Settings(client=False, initial_values=_SETTINGS)
        self.max_inbound_frame_size = FRAME_BYTES
        self.decoder.max_header_list_size = HEADER_BYTES
        self.initiate_connection()
        self.increment_flow_control_window(CONNECTION_WINDOW - self.inbound_flow_control_window)

    def answer(self, stream: int, headers: Sequence[Header], message: bytes = b"",
               trailers: Sequence[Header] = ()) -> None:
        """Answer by headers alone, and let nothing more come, or with a message and trailers."""
        try:
            self.send_headers(stream, headers, end_stream=not trailers)
            if trailers:
                self.send_data(stream, message)
                self.send_headers(stream, trailers, end_stream=True)
            else:
                self.reset_stream(stream, ErrorCodes.NO_ERROR)
        except ProtocolError:  # it is closed, or its client leaves no room for an answer
            with contextlib.suppress(ProtocolError):
                self.reset_stream(stream, ErrorCodes.CANCEL)

    def make_room(self, stream: int, count: int) -> None:
        """Let so many bytes more come, of the connection, and of the stream if it is open."""
        with contextlib.suppress(ProtocolError):
            self.acknowledge_received_data(count, stream)

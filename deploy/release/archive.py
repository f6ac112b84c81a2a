"""An archive that is the same for the same files, whoever packs it, and when."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path


def pack(folder: Path, file: Path, epoch: int) -> None:
    """Pack a folder, by its name, into a .tar.gz; all that is in it is of that time and root's."""
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = epoch
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with (file.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=epoch) as packed,
          tarfile.open(fileobj=packed, mode="w") as archive):
        archive.add(folder, folder.name, filter=plain)  # adds a folder's files in order

"""Where files are, on disk or in a cloud, in the terms of pyarrow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from qwen_rerank.errors import ConfigError, InvalidInputError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Format = Literal["jsonl", "parquet"]

FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")


@dataclass(frozen=True, slots=True)
class Location:
    """A file or a folder that need not exist."""

    filesystem: FileSystem
    path: str
    """Without the scheme."""

    @classmethod
    def of(cls, text: str) -> Self:
        """From a path on this machine, or from a URL such as `s3://bucket/folder`.

        Raises:
            ConfigError: pyarrow does not know the scheme.
        """
        from pyarrow.fs import FileSystem

        uri = text if "://" in text else str(Path(text).expanduser().absolute())
        try:
            filesystem, path = FileSystem.from_uri(uri)
        except (ValueError, OSError) as error:
            raise ConfigError(f"{text} is neither a path nor a URL for pyarrow: {error}") from None
        return cls(filesystem, path.rstrip("/"))

    def __truediv__(self, name: str) -> Location:
        return replace(self, path=f"{self.path}/{name}")

    def beside(self, suffix: str) -> Location:
        """Next to this one, with a longer name."""
        return replace(self, path=self.path + suffix)

    def read(self) -> bytes | None:
        """The content of this file; `None` if it is not there."""
        try:
            with self.filesystem.open_input_stream(self.path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """Write this file, and make its folder first."""
        self.filesystem.create_dir(self.path.rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(self.path) as stream:
            stream.write(content)

    def files(self) -> list[str]:
        """The paths of all files: this one, or those in this folder and its folders.

        Hidden ones are left out, as Ray leaves them out: names that begin with "." or "_".
        """
        from pyarrow.fs import FileSelector, FileType

        if self.filesystem.get_file_info(self.path).type == FileType.File:
            return [self.path]
        selector = FileSelector(self.path, recursive=True, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return [info.path for info in found if info.type == FileType.File and _is_shown(info.path)]


def file_format(location: Location) -> Format:
    """The one format of all files there, by their names.

    Raises:
        InvalidInputError: There are no files, or files of several or of other formats.
    """
    files = location.files()
    found = {_suffix(path) for path in files}
    formats = {FORMATS.get(suffix) for suffix in found}
    if len(formats) == 1 and (only := formats.pop()):
        return only
    came = f"files that end in {sorted(found)}" if files else "no file"
    where = location.path
    raise InvalidInputError(f"{where}: wanted JSONL or Parquet files of one kind, got {came}")


def _is_shown(path: str) -> bool:
    return not path.rpartition("/")[2].startswith((".", "_"))


def _suffix(path: str) -> str:
    """The end of a file's name that tells its format, in lower case."""
    name = path.lower()
    for compressed in COMPRESSED:
        name = name.removesuffix(compressed)
    return Path(name).suffix

"""What a result is made from: frozen descriptions with a canonical string and a key."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Spec(BaseModel):
    """A frozen, hashable description of one result.

    Attributes:
        kind: name under which results of this kind are stored.
        later: fields that came after results existed. The canonical text leaves them out where
            they have their default, so that earlier keys stay as they are.
        unkeyed: fields that change no number; the canonical text has their default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ClassVar[str] = "spec"
    later: ClassVar[frozenset[str]] = frozenset()
    unkeyed: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _essential(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        defaults = {name: fields[name].default for name in self.unkeyed}
        written = handler(self.model_copy(update=defaults) if defaults else self)
        for name in self.later:
            if getattr(self, name) == fields[name].default:
                written.pop(name, None)
        return written

    def canonical(self) -> str:
        """The one JSON text of this spec: sorted keys, no spaces."""
        return _canonical(self)

    @property
    def key(self) -> str:
        """20 hexadecimal digits of the SHA-256 of kind and canonical text."""
        text = f"{self.kind}:{self.canonical()}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@functools.lru_cache(maxsize=50_000)  # a chapter asks for each some ten times
def _canonical(spec: Spec) -> str:
    return json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

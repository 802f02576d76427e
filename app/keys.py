"""API keys with roles and groups, kept as hashes."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

from ingest.records import Groups

Role = Literal["reader", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may: search; ingest and delete documents; everything."""


_GROUP = re.compile(r"[\w.@-]{1,100}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as a key says it."""

    role: Role
    groups: Groups
    """Whose documents it sees beside those for everybody; None, an admin's, sees all."""


ADMIN = Caller("admin", None)


def hash_key(key: str) -> str:
    """sha256 is enough: a key has 256 random bits, there is nothing to guess."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def new_key() -> str:
    return secrets.token_urlsafe(32)


class Keys:
    """The keys that are accepted; with none at all everybody is an admin (loopback only)."""

    def __init__(self, callers: dict[str, Caller]) -> None:
        self._callers = callers

    @classmethod
    def parse(cls, api_keys: str, admin_key: str | None) -> "Keys":
        """Read `role:sha256hex,role:sha256hex:group+group,…`. Raises ValueError naming the entry that is
        wrong."""
        callers: dict[str, Caller] = {}
        for entry in filter(None, (part.strip() for part in api_keys.split(","))):
            role, digest, groups = (*entry.split(":", 2), "", "")[:3]
            known = {name: name for name in ROLES}.get(role)  # type: ignore[call-overload]
            if known is None or len(digest) != 64:
                raise ValueError(
                    f"KALM_API_KEYS: {role!r} is not `role:sha256hex` with a role of {', '.join(ROLES)}; "
                    "`kalm key` prints a right one"
                )
            named = frozenset(filter(None, groups.split("+")))
            wrong = sorted(group for group in named if not _GROUP.fullmatch(group))
            if wrong or (named and known == "admin"):
                reason = f"{wrong[0]!r} is no name of a group" if wrong else "an admin sees every group's"
                raise ValueError(f"KALM_API_KEYS, {role}:{digest[:8]}…: {reason}")
            callers[digest.lower()] = ADMIN if known == "admin" else Caller(known, named)
        if admin_key:
            callers[hash_key(admin_key)] = ADMIN
        return cls(callers)

    def __bool__(self) -> bool:
        return bool(self._callers)

    def caller(self, key: str) -> Caller | None:
        """Whose key it is; None if it is not known. Takes the same time for every key."""
        digest = hash_key(key)
        found: Caller | None = None
        for known, caller in self._callers.items():
            if hmac.compare_digest(known, digest):
                found = caller
        return found

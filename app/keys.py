"""API keys with roles, kept as hashes."""

import hashlib
import hmac
import secrets
from typing import Literal, get_args

Role = Literal["reader", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may: search; ingest and delete documents; everything."""


def hash_key(key: str) -> str:
    """sha256 is enough: a key has 256 random bits, there is nothing to guess."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def new_key() -> str:
    return secrets.token_urlsafe(32)


class Keys:
    """The keys that are accepted; with none at all everybody is an admin (loopback only)."""

    def __init__(self, hashes: dict[str, Role]) -> None:
        self._hashes = hashes

    @classmethod
    def parse(cls, api_keys: str, admin_key: str | None) -> "Keys":
        """Read `role:sha256hex,…`. Raises ValueError naming the entry that is wrong."""
        hashes: dict[str, Role] = {}
        for entry in filter(None, (part.strip() for part in api_keys.split(","))):
            role, _, digest = entry.partition(":")
            known = {name: name for name in ROLES}.get(role)  # type: ignore[call-overload]
            if known is None or len(digest) != 64:
                raise ValueError(
                    f"KALM_API_KEYS: {role!r} is not `role:sha256hex` with a role of {', '.join(ROLES)}; "
                    "`kalm key` prints a right one"
                )
            hashes[digest.lower()] = known
        if admin_key:
            hashes[hash_key(admin_key)] = "admin"
        return cls(hashes)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def role_of(self, key: str) -> Role | None:
        """The role of a key; None if it is not known. Takes the same time for every key."""
        digest = hash_key(key)
        role: Role | None = None
        for known, its_role in self._hashes.items():
            if hmac.compare_digest(known, digest):
                role = its_role
        return role

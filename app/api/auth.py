"""Who may call what: a bearer key with a high enough role."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.errors import ApiError
from app.keys import ADMIN, ROLES, Caller, Keys, Role
from ingest.records import Groups

_bearer = HTTPBearer(auto_error=False)


class Require:
    """Dependency: let only this role, or a higher one, pass."""

    def __init__(self, role: Role) -> None:
        self._role = role

    def __call__(
        self,
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        keys: Keys = request.app.state.keys
        caller = ADMIN if not keys else keys.caller(credentials.credentials) if credentials else None
        if caller is None:
            message = "a valid key is needed: `Authorization: Bearer KEY` (KALM_API_KEY for page and `kalm`)"
            raise ApiError(401, message, code="invalid_api_key", type="authentication_error")
        if ROLES.index(caller.role) < ROLES.index(self._role):
            message = f"this needs the role {self._role!r}, the key is a {caller.role}'s"
            raise ApiError(403, message, code="forbidden", type="permission_error")
        request.state.caller = caller


def groups_of(request: Request) -> Groups:
    """Whose documents the caller sees beside those for everybody; None sees all."""
    caller: Caller = request.state.caller
    return caller.groups


reader, editor, admin = (Depends(Require(role)) for role in ROLES)

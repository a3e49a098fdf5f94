"""Client tokens of the simulated vendor: HS256 JWTs, each for one user, as those of the service."""

import secrets
from collections.abc import Callable

import jwt

_WEEK = 7 * 86400
_ALGORITHM = "HS256"


class TokenRefused(Exception):
    """A token that was not made with the key, or is no token."""


class TokenExpired(TokenRefused):
    """A token whose time is over."""


class ClientTokens:
    """Makes and reads tokens; with another `key` those made before are refused."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.key = secrets.token_urlsafe(32)
        self._clock = clock

    def make(self, app_id: str, user_id: str, device_id: str, expires_at: int) -> dict[str, object]:
        """Return a token and the epoch second at which it expires, in a week for 0."""
        expires_at = expires_at or int(self._clock()) + _WEEK
        claims = {"exp": expires_at, "AppId": app_id, "UserId": user_id, "DeviceId": device_id}
        token = jwt.encode(claims, self.key, _ALGORITHM)
        return {"access_token": token, "expires_at": expires_at}

    def user_of(self, token: str) -> str:
        """Return the user of a token. Raises TokenRefused, or TokenExpired."""
        try:
            claims = jwt.decode(token, self.key, [_ALGORITHM], {"verify_exp": False})
        except jwt.InvalidTokenError as error:
            raise TokenRefused from error
        if claims["exp"] <= self._clock():
            raise TokenExpired
        return str(claims["UserId"])

"""Log-in at Amazon MSK with IAM: a token signed with AWS's credentials, for librdkafka's OAUTHBEARER."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNER: Final = "aws_msk_iam_sasl_signer"


def is_installed() -> bool:
    """Whether the extra ``msk`` is there."""
    return importlib.util.find_spec(_SIGNER) is not None


def signer(region: str) -> Callable[[str], tuple[str, float]]:
    """What librdkafka calls for a token of the region; credentials are found as AWS's own tools find them."""
    return partial(_signed, region)


def _signed(region: str, _: str) -> tuple[str, float]:
    """A token, made here, and the second of the epoch until which it holds."""
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415 - of an extra, and slow to load

    token, until_ms = MSKAuthTokenProvider.generate_auth_token(region)
    return token, until_ms / 1000

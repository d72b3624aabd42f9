"""How a connection is protected: policy, certificates, the trust anchor, and the user's password."""

from collections.abc import Callable

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

from adapters.errors import ControllerMisconfigured
from adapters.settings import OpcUaController, OpcUaSecurity, SecurityPolicy

POLICIES: dict[SecurityPolicy, type[security_policies.SecurityPolicy]] = {
    SecurityPolicy.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    SecurityPolicy.AES128: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicy.AES256: security_policies.SecurityPolicyAes256Sha256RsaPss,
}


def refuse_plain_password(settings: OpcUaController) -> None:
    """Raises ControllerMisconfigured: a password over policy None would go over the wire for all to read."""
    if settings.user is not None and settings.security.policy is SecurityPolicy.NONE:
        raise ControllerMisconfigured("a user's password is not sent over policy None; choose a security policy")


async def secure(client: Client, settings: OpcUaController, secret: Callable[[str], str]) -> None:
    """Prepares an unconnected client. Raises ControllerMisconfigured for files that cannot be used."""
    security = settings.security
    if settings.user is not None:
        client.set_user(settings.user)
        client.set_password(secret(settings.password_credential or settings.user))
    if security.policy is SecurityPolicy.NONE:
        return
    assert security.certificate is not None, "the settings' own check"
    assert security.private_key is not None, "the settings' own check"
    if security.trust_folder is not None and security.server_certificate is None:
        client.certificate_validator = (await _validator(security)).validate
    try:
        # with a pinned certificate asyncua encrypts to it and refuses a session that shows another one
        await client.set_security(
            POLICIES[security.policy],
            certificate=str(security.certificate),
            private_key=str(security.private_key),
            server_certificate=str(security.server_certificate) if security.server_certificate else None,
            mode=ua.MessageSecurityMode[security.mode],
        )
    except (FileNotFoundError, PermissionError, ValueError) as error:
        raise ControllerMisconfigured(f"the certificate or key cannot be used: {error}") from error


async def _validator(security: OpcUaSecurity) -> CertificateValidator:
    """Checks the server's certificate against a folder; asyncua alone would accept any (facts A.29)."""
    folder = security.trust_folder
    assert folder is not None, "asked for only with a folder"
    if not folder.is_dir() or not any(folder.iterdir()):
        raise ControllerMisconfigured(f"the trust folder {folder} has no certificate: copy the server's into it")
    store = TrustStore([folder], [])
    await store.load()
    return CertificateValidator(
        CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_SERVER, store
    )

"""Implements the pool of administrators (sandes.administration.sign_in.AdministratorPool) with Cognito."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandes.administration.sign_in import GROUP
from sandes.model.ids import AdministratorId, administrator_text, parse_administrator

_SUBJECT = "sub"
_NOT_SIGNED_IN_YET = "FORCE_CHANGE_PASSWORD"


@dataclass(frozen=True, slots=True)
class CognitoPool:
    """Manages the users of a pool. `provider` names a federated provider, or is empty.

    The provider's user with the same e-mail address is the same person.
    """

    client: Any
    pool: str
    provider: str = ""

    def invite(self, email: str, name: str) -> AdministratorId:
        made = self._create(email, name)
        self.client.admin_add_user_to_group(UserPoolId=self.pool, Username=email, GroupName=GROUP)
        if self.provider:
            self._link(made, email)
        return made

    def _create(self, email: str, name: str) -> AdministratorId:
        asked = {"UserPoolId": self.pool, "Username": email, "DesiredDeliveryMediums": ["EMAIL"]}
        attributes = {"email": email, "email_verified": "true", "name": name}
        try:
            made = self.client.admin_create_user(
                **asked, UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()]
            )["User"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "UsernameExistsException":
                raise
            there = self.client.admin_get_user(UserPoolId=self.pool, Username=email)
            if there["UserStatus"] == _NOT_SIGNED_IN_YET:
                self.client.admin_create_user(**asked, MessageAction="RESEND")
            return _subject(there["UserAttributes"])
        return _subject(made["Attributes"])

    def _link(self, administrator: AdministratorId, email: str) -> None:
        """Link the provider's user by the e-mail address, which the provider must verify.

        Ignore the error by which AWS reports that the user is linked already.
        """
        name = administrator_text(administrator)
        try:
            self.client.admin_link_provider_for_user(
                UserPoolId=self.pool,
                DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": name},
                SourceUser={
                    "ProviderName": self.provider,
                    "ProviderAttributeName": "email",
                    "ProviderAttributeValue": email,
                },
            )
        except ClientError as error:
            said = error.response["Error"]
            if said["Code"] != "InvalidParameterException" or "already linked" not in said.get("Message", ""):
                raise

    def find(self, email: str) -> AdministratorId | None:
        try:
            return _subject(self.client.admin_get_user(UserPoolId=self.pool, Username=email)["UserAttributes"])
        except self.client.exceptions.UserNotFoundException:
            return None

    def disable(self, administrator: AdministratorId) -> None:
        name = administrator_text(administrator)
        try:
            self.client.admin_disable_user(UserPoolId=self.pool, Username=name)
        except self.client.exceptions.UserNotFoundException:
            return
        self.sign_out(administrator)

    def sign_out(self, administrator: AdministratorId) -> None:
        self.client.admin_user_global_sign_out(UserPoolId=self.pool, Username=administrator_text(administrator))

    def lock_out(self, administrator: AdministratorId) -> None:
        """Replace the password, delete the authenticator, and end all sessions.

        The password is first replaced permanently. The old one is then useless, and the user counts as confirmed, which
        AdminDeleteSoftwareToken may require. Only afterwards it becomes a temporary password.
        """
        who = {"UserPoolId": self.pool, "Username": administrator_text(administrator)}
        self.sign_out(administrator)
        self.client.admin_set_user_password(**who, Password=_unknown_password(), Permanent=True)
        self._delete_authenticator(administrator)
        self.client.admin_set_user_password(**who, Password=_unknown_password(), Permanent=False)

    def invite_again(self, administrator: AdministratorId, email: str) -> None:
        who = {"UserPoolId": self.pool, "Username": administrator_text(administrator)}
        if self.client.admin_get_user(**who)["UserStatus"] == _NOT_SIGNED_IN_YET:
            self.client.admin_create_user(
                UserPoolId=self.pool, Username=email, DesiredDeliveryMediums=["EMAIL"], MessageAction="RESEND"
            )

    def remove_authenticator(self, administrator: AdministratorId) -> None:
        self._delete_authenticator(administrator)
        self.sign_out(administrator)

    def _delete_authenticator(self, administrator: AdministratorId) -> None:
        """Delete the user's authenticator.

        AdminSetUserMFAPreference would not suffice: it turns nothing off if the pool requires a second factor.
        https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminDeleteSoftwareToken.html
        """
        who = {"UserPoolId": self.pool, "Username": administrator_text(administrator)}
        try:
            self.client.admin_delete_software_token(**who)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"ResourceNotFoundException", "InvalidParameterException"}:
                raise
            if self.client.admin_get_user(**who).get("UserMFASettingList"):
                raise  # the user has an authenticator, and it was not deleted


def _unknown_password() -> str:
    """Make a password that fits the pool's policy. It is not stored anywhere."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.!")
    letters = [secrets.choice(kind) for kind in kinds for _ in range(8)]
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


def _subject(attributes: list[dict[str, str]]) -> AdministratorId:
    (subject,) = [attribute["Value"] for attribute in attributes if attribute["Name"] == _SUBJECT]
    return parse_administrator(subject)

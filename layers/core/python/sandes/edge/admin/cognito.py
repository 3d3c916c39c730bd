"""The pool of administrators (sandes.administration.roles.sign_in.AdministratorPool) at Cognito."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandes.administration.roles.sign_in import GROUP
from sandes.model.ids import AdministratorId, administrator_text, parse_administrator

_SUBJECT = "sub"
_NOT_SIGNED_IN_YET = "FORCE_CHANGE_PASSWORD"


@dataclass(frozen=True, slots=True)
class CognitoPool:
    """`provider`: name of the federated provider whose users of the same e-mail address are this person; or empty."""

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
        """By the address, for which the provider must vouch. On AWS linking again says that it is linked already."""
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


def _subject(attributes: list[dict[str, str]]) -> AdministratorId:
    (subject,) = [attribute["Value"] for attribute in attributes if attribute["Name"] == _SUBJECT]
    return parse_administrator(subject)

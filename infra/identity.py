"""Builds the Cognito user pool of administrators, and optionally a federated provider of the government
(docs/adr/0024).
"""

from __future__ import annotations

from aws_cdk import Duration, SecretValue, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import CLI_CALLBACK, Config
from infra.stages import Federation
from sandes.administration.sign_in import GROUP

PROVIDER = "government"
"""Name of the federated provider in the pool, and prefix of federated users' names."""

TEMPORARY_PASSWORD_DAYS = 3
TOKEN_MINUTES = 15
SESSION_HOURS = 8
ENROLMENT_MINUTES = 10
"""Time between two steps of a sign-in, which is enough to set up an authenticator app."""


class Identity(Construct):
    """Holds the `pool`, its `client` for `sandes-admin` and its group.

    Federation adds a provider and a sign-in page.

    The pool calls `tokens` before it signs tokens.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config, tokens: lambda_.IFunction) -> None:
        super().__init__(scope, id)
        self._config = config
        self.pool = cognito.UserPool(
            self,
            "Administrators",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            standard_attributes=cognito.StandardAttributes(
                email=cognito.StandardAttribute(required=True, mutable=True),
                fullname=cognito.StandardAttribute(required=True, mutable=True),
            ),
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=Duration.days(TEMPORARY_PASSWORD_DAYS),
            ),
            mfa=cognito.Mfa.REQUIRED,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            account_recovery=cognito.AccountRecovery.NONE,
            user_invitation=cognito.UserInvitationConfig(
                email_subject="You are an administrator of Sandes",
                email_body=(
                    "Sign in with `sandes-admin login` and the address that this was sent to. Your temporary password, "
                    f"valid for {TEMPORARY_PASSWORD_DAYS} days, is {{####}}"
                ),
            ),
            feature_plan=cognito.FeaturePlan.ESSENTIALS,  # the cheapest plan that lets `tokens` narrow access tokens
            deletion_protection=config.deletion_protection,
            removal_policy=config.removal_policy,
        )
        self.pool.add_trigger(cognito.UserPoolOperation.PRE_TOKEN_GENERATION_CONFIG, tokens, cognito.LambdaVersion.V2_0)
        self.group = cognito.UserPoolGroup(
            self, "Group", user_pool=self.pool, group_name=GROUP, description="Who may call the admin API at all"
        )
        provider = self._provider(config.settings.federation) if config.settings.federation else None
        self.client = self.pool.add_client(
            "Cli",
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_password=True),
            auth_session_validity=Duration.minutes(ENROLMENT_MINUTES),
            access_token_validity=Duration.minutes(TOKEN_MINUTES),
            id_token_validity=Duration.minutes(TOKEN_MINUTES),
            refresh_token_validity=Duration.hours(SESSION_HOURS),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
            write_attributes=cognito.ClientAttributes().with_standard_attributes(
                fullname=True, email=provider is not None
            ),
            supported_identity_providers=[
                cognito.UserPoolClientIdentityProvider.COGNITO,
                *([cognito.UserPoolClientIdentityProvider.custom(PROVIDER)] if provider else []),
            ],
            disable_o_auth=config.settings.federation is None,
            o_auth=_code_flow(config.settings.federation) if config.settings.federation else None,
        )
        if provider:
            self.client.node.add_dependency(provider)

    @property
    def url(self) -> str:
        """Return the address of Cognito for signing in."""
        if self._config.local_port:
            return f"http://127.0.0.1:{self._config.local_port}"
        return f"https://cognito-idp.{Stack.of(self).region}.amazonaws.com"

    def _provider(self, federation: Federation) -> cognito.UserPoolIdentityProviderOidc:
        """Add the provider. It checks its users' second factor, for which Cognito does not ask them (SECURITY.md)."""
        self.pool.add_domain(
            "SignIn", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=federation.domain_prefix)
        )
        return cognito.UserPoolIdentityProviderOidc(
            self,
            "Provider",
            user_pool=self.pool,
            name=PROVIDER,
            issuer_url=federation.issuer,
            client_id=federation.client_id,
            client_secret=SecretValue.secrets_manager(federation.secret_name).unsafe_unwrap(),
            scopes=["openid", "email", "profile"],
            attribute_mapping=cognito.AttributeMapping(
                email=cognito.ProviderAttribute.other("email"), fullname=cognito.ProviderAttribute.other("name")
            ),
        )


def _code_flow(federation: Federation) -> cognito.OAuthSettings:
    """Return settings for clients without a secret: an authorisation code with PKCE, returned to this machine or the
    portal.
    """
    callbacks = [CLI_CALLBACK, *federation.callbacks]
    return cognito.OAuthSettings(
        flows=cognito.OAuthFlows(authorization_code_grant=True),
        scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL, cognito.OAuthScope.PROFILE],
        callback_urls=callbacks,
        logout_urls=callbacks,
    )

"""LogProject: a project of a service, and who may use it."""

from typing import Annotated, Literal

import pydantic

from loghub_operator.resources import model


class Bundled(model.Model):
    """The service of this release."""


class Url(model.Model):
    """Any service that speaks the API."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "!(has(self.caBundleRef) || has(self.clientCertRef)) || "
                "self.endpoint.startsWith('https://')",
                "caBundleRef and clientCertRef need an endpoint that begins with https://",
            )
        )
    )
    endpoint: Annotated[
        str,
        pydantic.Field(
            max_length=512,
            description="http(s)://host[:port]",
            json_schema_extra=model.rules(
                (
                    r"self.matches('^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$')",
                    "must be of the form http://host[:port] or https://host[:port]",
                )
            ),
        ),
    ]
    project_in: Literal["Host", "Header"] = "Host"
    signature: Literal["V1", "V4"] = "V4"
    region: Annotated[str, pydantic.Field(min_length=1, max_length=64)] = "loghub"
    ca_bundle_ref: model.LocalReference | None = pydantic.Field(
        default=None,
        description="Secret with `ca.crt`: the authorities, in PEM, that the endpoint is trusted "
        "by instead of the system's.",
    )
    client_cert_ref: model.LocalReference | None = pydantic.Field(
        default=None,
        description="Secret of type kubernetes.io/tls: what the endpoint knows its clients by.",
    )
    proxy: Annotated[
        str,
        pydantic.Field(
            max_length=512,
            description="http://host[:port] of a proxy between here and the endpoint.",
            json_schema_extra=model.rules(
                (
                    r"self == '' || self.matches('^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$')",
                    "must be of the form http://host[:port]",
                )
            ),
        ),
    ] = ""


class Cloud(model.Model):
    """Alibaba Cloud Log Service, by region; always by HTTPS, signed by version 4."""

    region: Annotated[
        str,
        pydantic.Field(
            max_length=63,
            description="cn-hangzhou, ap-southeast-1, ...",
            json_schema_extra=model.rules(
                (
                    "self.matches('^[a-z]{2}-[a-z0-9-]*[a-z0-9]$')",
                    "must be a region's id such as cn-hangzhou",
                )
            ),
        ),
    ]
    network: Literal["Internal", "Public", "VPC", "Accelerate"] = pydantic.Field(
        default="Public",
        description="Internal and VPC need a cluster in that region, Accelerate a project for "
        "which global acceleration is on.",
    )


class Service(model.Model):
    """Where the project is: exactly one of the fields."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "[has(self.bundled), has(self.cloud), has(self.url)].exists_one(given, given)",
                "set exactly one of bundled, cloud and url",
            )
        )
    )
    bundled: Bundled | None = None
    cloud: Cloud | None = None
    url: Url | None = None


class AllowedNamespaces(model.Model):
    """Which namespaces may put LogStores into the project."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "(has(self.from) && self.from == 'Selector') == has(self.selector)",
                "a selector goes with from: Selector, and only with it",
            )
        )
    )
    from_: Annotated[Literal["Same", "All", "Selector"], pydantic.Field(alias="from")] = "Same"
    selector: model.LabelSelector | None = None


DefaultLogStore = Annotated[
    str,
    pydantic.Field(
        min_length=3,
        max_length=63,
        json_schema_extra=model.rules(
            (
                f"self.matches('{model.LOGSTORE_PATTERN}')",
                "must be 3 to 63 lower-case letters, digits, '-' or '_', with a letter or digit "
                "at both ends",
            )
        ),
    ),
]
"""A Logstore's name; unlike a LogStore's own it can be changed."""


class OptIn(model.Model):
    """What pods may ask for by themselves."""

    annotations: Literal["Enabled", "Disabled"] = pydantic.Field(
        default="Enabled", description="loghub.dev/logstore and the like."
    )
    environment: Literal["Enabled", "Disabled"] = pydantic.Field(
        default="Enabled", description="Variables aliyun_logs_* and loong_logs_* of containers."
    )
    auto_create_log_stores: bool = True
    default_log_store: DefaultLogStore | None = pydantic.Field(
        default=None, description="For pods that ask for collection and name no Logstore."
    )


class LogProjectSpec(model.Model):
    """The spec of a LogProject."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "!has(self.service) || has(self.service.bundled) || has(self.credentialsSecretRef)",
                "service.url and service.cloud need credentialsSecretRef: a Secret with "
                "accessKeyId and accessKeySecret",
            ),
            (
                "has(self.projectName) == has(oldSelf.projectName)",
                "projectName is immutable: the remote project cannot be renamed",
            ),
        )
    )
    project_name: model.ProjectName | None = pydantic.Field(
        default=None, description="Name in the service; by default the object's."
    )
    description: str = pydantic.Field(default="", max_length=1024)
    service: Service = Service(bundled=Bundled())
    credentials_secret_ref: model.LocalReference | None = pydantic.Field(
        default=None, description="Secret with accessKeyId and accessKeySecret; not for bundled."
    )
    allowed_namespaces: AllowedNamespaces = AllowedNamespaces()
    opt_in: OptIn = OptIn()
    deletion_policy: model.DeletionPolicy = "Retain"
    adoption_policy: model.AdoptionPolicy = "Adopt"

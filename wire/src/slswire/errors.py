"""The error catalogue: code, HTTP status and message of everything an SLS endpoint answers.

Source: the service's public "Common error codes" page and the per-API pages; the spelling is what
the official SDKs compare. One exception carries them all:

    SlsError
"""

from typing import Final

CATALOGUE: Final[dict[str, tuple[int, str]]] = {
    "BadRequest": (400, "{detail}"),
    "ConfigAlreadyExist": (400, "config {name} already exists"),
    "ConfigNotExist": (404, "config {name} does not exist"),
    "ConsumerGroupAlreadyExist": (400, "consumer group already exist"),
    "ConsumerGroupNotExist": (404, "consumer group not exist"),
    "ConsumerNotExist": (404, "consumer {consumer} does not hold shard {shard}"),
    "GroupAlreadyExist": (400, "group {name} already exists"),
    "IndexAlreadyExist": (400, "log store index is already created"),
    "IndexConfigNotExist": (400, "Logstore without index config."),
    "InternalServerError": (500, "internal server error"),
    "InvalidAPIVersion": (400, "x-log-apiversion {value} is unsupported."),
    "InvalidAccessKeyId": (401, "The access key id you provided is invalid: {key}."),
    "InvalidBodyRawSize": (400, "x-log-bodyrawsize is invalid."),
    "InvalidCompressType": (400, "x-log-compresstype {value} is unsupported."),
    "InvalidContentType": (415, "Content-Type {value} is unsupported."),
    "InvalidCursor": (400, "Invalid cursor {cursor}"),
    "InvalidDateFormat": (400, "Date {value} must follow RFC822."),
    "InvalidEncoding": (400, "A key or a value is not UTF-8."),
    "InvalidLine": (400, "line {value} is invalid: it must be in [0, {most}]."),
    "InvalidOffset": (400, "offset {value} is invalid: it must be in [0, {most}]."),
    "InvalidReverse": (400, "reverse {value} is invalid: it must be true or false."),
    "InvalidSequenceId": (400, "sequence id {number} was used already, the last one is {last}"),
    "InvalidShardCheckPoint": (400, "shard checkpoint {checkpoint} is not encoded by base64"),
    "InvalidSignatureMethod": (400, "signature method {value} is unsupported."),
    "InvalidTimeRange": (400, "from {begin} is after to {end}."),
    "JsonInfoInvalid": (400, "{detail}"),
    "LogStoreAlreadyExist": (400, "logstore {logstore} already exists"),
    "LogStoreInfoInvalid": (400, "logstore name {logstore} is invalid"),
    "LogStoreNotExist": (404, "logstore {logstore} does not exist"),
    "MachineGroupNotExist": (404, "MachineGroup {name} does not exist."),
    "MissingAPIVersion": (400, "x-log-apiversion does not exist in http header."),
    "MissingBodyRawSize": (400, "x-log-bodyrawsize does not exist in header when it is necessary."),
    "MissingContentType": (
        400,
        "Content-Type does not exist in http header when body is not empty.",
    ),
    "MissingDate": (400, "Date does not exist in http header."),
    "MissingHost": (400, "Host does not exist in http header."),
    "MissingSignatureMethod": (400, "x-log-signaturemethod does not exist in http header."),
    "NotExistConsumerWithBody": (
        400,
        "consumer {consumer} is unknown or timed out; begin again with an empty list of shards",
    ),
    "NotSupported": (400, "{detail}"),
    "ParameterInvalid": (400, "{detail}"),
    "PostBodyInvalid": (400, "Protobuffer content cannot be parsed. {detail}"),
    "PostBodyTooLarge": (400, "Body size {size} must little than {limit}"),
    "PostBodyUncompressError": (400, "The body cannot be uncompressed. {detail}"),
    "ProjectAlreadyExist": (400, "Project {project} already exist."),
    "ProjectNotExist": (404, "The Project does not exist : {project}"),
    "ProjectQuotaExceed": (400, "{detail}"),
    "ReadQuotaExceed": (403, "Read quota is exceeded."),
    "RequestTimeExpired": (400, "Request time exceeds server time more than 15 minutes."),
    "RequestTimeout": (500, "The body did not arrive in time."),
    "ServerBusy": (503, "the server is busy, please try again later."),
    "ShardNotExist": (404, "Shard {shard} does not exist."),
    "SignatureNotMatch": (401, "signature {signature} not matched."),
    "Unauthorized": (401, "{detail}"),
    "WriteQuotaExceed": (403, "Write quota is exceeded."),
}
"""Code -> (HTTP status, message template)."""


class SlsError(Exception):
    """One error answer.

    Attributes:
        code: the errorCode clients compare.
        message: the sentence for people.
        status: the HTTP status.
        request_id: of the request that failed; empty before one was given.
    """

    def __init__(self, code: str, message: str, *, status: int, request_id: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" ({request_id})" if request_id else ""))
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


def make(code: str, **fields: object) -> SlsError:
    """The catalogue's error `code`, its message filled with `fields`.

    Raises:
        KeyError: a code the catalogue does not hold, or a field its message needs.
    """
    status, template = CATALOGUE[code]
    return SlsError(code, template.format_map(fields).strip(), status=status)

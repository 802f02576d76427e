"""What can go wrong with a model or a text.

EncoderError
├── UnknownModel       neither a catalog name nor a folder with a model in it
├── ModelNotFound      a known model whose files are not on this machine
├── WrongWeights       the files are there and are not the ones that were published
├── UnsupportedModel   an architecture or setting that was not validated
├── BrokenModel        files that can't be loaded, or whose vectors fail the probe
├── NoSuchDevice       a device that is not there, or whose driver is not
├── UnknownDim         a width the model was not made for
├── TextTooLong        more tokens than the model takes
├── BadFile            a file of texts that can't be read, or of vectors that can't be written
├── EmptySpan          a part of a text that holds no token
├── ServerFailed       an embedding server that can't be reached, refuses, or answers nonsense
├── RerankerFailed     a reranker's server that can't be reached, refuses, or answers nonsense
├── Overloaded         too much is waiting for the encoder: come again
└── Draining           the encoder is shutting down
"""


class EncoderError(Exception):
    """Any failure of the encoder; the message says what, which and what to do."""


class UnknownModel(EncoderError):
    pass


class ModelNotFound(EncoderError):
    pass


class WrongWeights(EncoderError):
    pass


class UnsupportedModel(EncoderError):
    pass


class BrokenModel(EncoderError):
    pass


class NoSuchDevice(EncoderError):
    pass


class UnknownDim(EncoderError):
    pass


class TextTooLong(EncoderError):
    pass


class BadFile(EncoderError):
    pass


class EmptySpan(EncoderError):
    pass


class ServerFailed(EncoderError):
    pass


class RerankerFailed(EncoderError):
    pass


class Overloaded(EncoderError):
    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When there will be room, at the speed measured."""


class Draining(EncoderError):
    pass

"""What can go wrong between a file and the index.

IngestError               one document fails alone, is recorded, the others go on
├── UnreadableFile        damaged, or not what its name says
├── PasswordProtected
├── NoText                empty, or pictures only
├── UnsupportedFile       no reader for this format
├── FileTooLarge
├── ParseLimit            reading took too much time or memory, or killed its worker
├── SourceGone            the file vanished between listing and reading, or is no longer there
├── LeftOut               no document: a link in an archive, say; reported, and no failure
├── NotAllowedHere        a URL or store that this service may not fetch from
└── TooManyGone           a sync would remove more than looks right; asks for force
StoreError                nothing can go on until somebody acts
├── WrongEncoder          the collection was built by another encoder
├── IndexLocked           another process has the index open
├── IndexUnavailable      the server does not answer
├── IndexDamaged          the files of the index can't be read, or points are missing
└── DiskFull              free space is below the floor
UnknownCollection, UnknownDocument, UnknownPage, UnknownJob, UnknownSource
SourceBusy                a named source is being synced already
"""


class IngestError(Exception):
    """A document that can't be ingested. `code` is stable; the message says what to do."""

    code = "failed"


class UnreadableFile(IngestError):
    code = "unreadable"


class PasswordProtected(IngestError):
    code = "password"


class NoText(IngestError):
    code = "no_text"


class UnsupportedFile(IngestError):
    code = "unsupported"


class FileTooLarge(IngestError):
    code = "too_large"


class ParseLimit(IngestError):
    code = "limit"


class SourceGone(IngestError):
    code = "gone"


class LeftOut(IngestError):
    code = "left_out"


class NotAllowedHere(IngestError):
    code = "not_allowed"


class TooManyGone(IngestError):
    code = "too_many_gone"


class StoreError(Exception):
    """The index can't be used as it is."""


class WrongEncoder(StoreError):
    pass


class IndexLocked(StoreError):
    pass


class IndexUnavailable(StoreError):
    pass


class IndexDamaged(StoreError):
    pass


class DiskFull(StoreError):
    pass


class NotPossible(ValueError):
    """A collection is to be made as its encoder can't serve it."""


class UnknownCollection(LookupError):
    pass


class UnknownDocument(LookupError):
    pass


class UnknownPage(LookupError):
    pass


class UnknownJob(LookupError):
    pass


class UnknownSource(LookupError):
    pass


class SourceBusy(Exception):
    pass

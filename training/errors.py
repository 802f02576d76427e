"""What can go wrong in training.

TrainingError
├── BadData       a row, file or folder that can't be learned from; the message has file and line
├── BadConfig     settings that contradict each other, the model or the machine
├── Diverged      a loss that has become infinite
├── BadCheckpoint one that can't be resumed from: another run's, or damaged
├── BadExport     a folder that does not give the vectors it says it gives
├── Mismatch      models that can't be averaged
└── LlmFailed     a language model that can't be reached, refuses, or keeps answering nonsense
"""


class TrainingError(Exception):
    """Any failure of training; the message says what, which and what to do."""


class BadData(TrainingError):
    pass


class BadConfig(TrainingError):
    pass


class Diverged(TrainingError):
    pass


class BadCheckpoint(TrainingError):
    pass


class BadExport(TrainingError):
    pass


class Mismatch(TrainingError):
    pass


class LlmFailed(TrainingError):
    pass

"""The named errors of Outsample: each carries one sentence for the user and ends the stage with exit code 1."""


class OutsampleError(Exception):
    """An error with one sentence that says what is wrong, where, and what to do instead.

    `run_script` and the command line print the sentence alone, without a traceback. Every other exception is a
    defect of Outsample and is shown in full.
    """


class ConfigError(OutsampleError):
    """A key or a value of the configuration is wrong; the sentence names the layer and its file."""


class DataError(OutsampleError):
    """Bars are missing, malformed or too few."""


class UserFeatureError(DataError):
    """A feature of the user's own file raises, or does not keep to what the file declares of it."""


class SchemaError(OutsampleError):
    """A Parquet or JSON file does not have the columns or keys which its schema promises."""


class AuditError(OutsampleError):
    """A feature, a scaler, a fold or a decision changes when the future is replaced."""


class TrainingError(OutsampleError):
    """A lane cannot be trained, or every lane has failed."""


class BrokenLaneError(TrainingError):
    """Parameters or losses of a lane are not finite after an update of an inner fold; `lower` names what helps."""

    def __init__(self, lane: str, inner: int, update: int, lower: str) -> None:
        super().__init__(
            f"{lane} broke down: parameters or losses are not finite after update {update} of inner fold {inner}; "
            f"lower {lower}."
        )
        self.lane, self.inner, self.update, self.lower = lane, inner, update, lower

    @property
    def place(self) -> str:
        """Where it was, as the table `lanes` says it."""
        return f"inner fold {self.inner}, update {self.update}"


class PackageError(OutsampleError):
    """A package is damaged, incomplete, or does not do what it says."""


class PaperError(OutsampleError):
    """Paper trading does not repeat what the evaluation found."""

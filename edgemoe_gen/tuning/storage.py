"""The storage of a search: Optuna's journal in a file, or a database; a wrong one is refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.base.errors import BusyError, ConfigError, EdgeMoEError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.base.locks import file_lock, folder_lock

if TYPE_CHECKING:
    from edgemoe_gen.tuning.journal import Journal

EXAMPLE = "for example --storage sqlite:///search.db, or leave it out for a file in the folder of --output"


def require_optuna() -> Any:
    """Optuna, quiet.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            "the search needs Optuna, which is not installed", f"install it: {installing('tune')}"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def check_storage(storage: str | None) -> None:
    """Refuses a text that is no URL of a database for this machine, before anything is done.

    Raises:
        ConfigError: names the text.
    """
    if storage is None:
        return
    import sqlalchemy

    try:
        url = sqlalchemy.engine.make_url(storage)
    except sqlalchemy.exc.ArgumentError as error:
        raise ConfigError(f"--storage is '{storage}', which is not the URL of a database", EXAMPLE) from error
    try:
        url.get_dialect().import_dbapi()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise ConfigError(f"--storage is '{storage}', but there is no database '{url.drivername}'", EXAMPLE) from error
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"--storage is '{storage}', but Python's driver for it is not installed: {error}", EXAMPLE
        ) from error
    try:
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connection:
            sqlalchemy.inspect(connection).has_table("studies")
        engine.dispose()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _refused(storage, error, EXAMPLE) from error


@dataclass(frozen=True, eq=False)
class Storage:
    """An open storage of searches; no other process searches in it at the same time.

    Attributes:
        name: for the user.
        opened: Optuna's storage.
    """

    name: str
    opened: Any

    @property
    def names(self) -> list[str]:
        """Names of all studies in the storage."""
        return [study.study_name for study in self.opened.get_all_studies()]

    def study(self, name: str, objectives: int) -> Any:
        """The study of a search, with what an earlier run has found.

        Args:
            name: of the study.
            objectives: how many, all to be minimised.

        Raises:
            ConfigError: the storage holds something else under that name.
            BusyError: another process is at this search.
        """
        study = require_optuna().create_study(
            study_name=name, storage=self.opened, load_if_exists=True, directions=["minimize"] * objectives
        )
        if len(study.directions) != objectives:
            raise ConfigError(f"{self.name} holds another kind of study under the name {name}", EXAMPLE)
        return study


@contextmanager
def open_storage(storage: Path | str) -> Iterator[Storage]:
    """Opens a storage and reads all of it, so that damage is reported at once; keeps other searches out.

    Args:
        storage: file of Optuna's journal, whose folder is locked, or the URL of a database. A database in a file is
            locked too; any other takes many searches at once, but not the same one twice.

    Raises:
        ConfigError: the storage cannot be opened, read or written, now or later.
        BusyError: another search uses the storage.
    """
    optuna = require_optuna()
    import sqlalchemy

    with ExitStack() as held:
        journal: Journal | None = None
        try:
            if isinstance(storage, Path):
                held.enter_context(folder_lock(storage.parent, "search"))
                journal = _journal(storage)
                opened: Any = optuna.storages.JournalStorage(journal)
            else:
                check_storage(storage)
                file = sqlalchemy.engine.make_url(storage)
                if file.get_backend_name() == "sqlite" and file.database not in (None, "", ":memory:"):
                    lock = Path(f"{file.database}.lock")
                    hint = "wait for it, or name another database with --storage"
                    held.enter_context(file_lock(lock, f"on {file.database}", "search", hint))
                opened = optuna.storages.RDBStorage(storage)
            opened.get_all_studies()
        except EdgeMoEError as error:
            if isinstance(error, BusyError) or not isinstance(storage, Path) or storage.parent.is_dir():
                raise
            raise _refused(storage, error, error.hint) from error
        except Exception as error:  # whatever a damaged journal or database makes Optuna stumble over
            if journal is not None and journal.line:
                raise journal.damaged(f"Optuna cannot take it ({type(error).__name__} {error})") from error
            hint = "choose another --output, or remove it" if isinstance(storage, Path) else EXAMPLE
            raise _refused(storage, error, hint) from error
        try:
            yield Storage(str(storage), opened)
        except optuna.exceptions.UpdateFinishedTrialError as error:
            raise BusyError(
                f"another search is at work on the same points in {storage}",
                "wait for it, or name another --storage: what was found is kept, and the same command goes on",
            ) from error
        except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
            reason = getattr(error.__cause__, "orig", None) or error.__cause__ or getattr(error, "orig", None) or error
            raise ConfigError(
                f"{storage}, the storage of the search, cannot be read or written: {_first_line(reason)}",
                "mend that: what was found before is kept, and the same command goes on",
            ) from error


def _journal(path: Path) -> Journal:
    from edgemoe_gen.tuning.journal import Journal  # a class of Optuna's, which not every user has

    return Journal(path)


def _refused(storage: Path | str, error: Exception, hint: str) -> ConfigError:
    why = _first_line(getattr(error, "orig", None) or error)
    return ConfigError(f"{storage} cannot be opened as the storage of a search: {why}", hint)


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]

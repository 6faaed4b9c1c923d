"""Where a search is kept: Optuna's journal in a file, or a database, each refused in a sentence where it is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgemoe_gen.errors import ConfigError

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
            "the search needs Optuna, which is not installed", 'install it: pip install "edgemoe-gen[tune]"'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def check_storage(storage: str | None) -> None:
    """Refuses what is no URL of a database that this machine can talk to, before anything is done.

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


def open_study(storage: Path | str, name: str, objectives: int) -> Any:
    """The study of a search, with what an earlier run has found.

    Args:
        storage: file of Optuna's journal, or the URL of a database.
        name: of the study.
        objectives: how many, all to be minimised.

    Raises:
        ConfigError: it cannot be opened, or holds something else.
    """
    optuna = require_optuna()
    import sqlalchemy

    try:
        opened: Any
        if isinstance(storage, Path):
            storage.parent.mkdir(parents=True, exist_ok=True)
            backend = optuna.storages.journal.JournalFileBackend(str(storage))
            opened = optuna.storages.JournalStorage(backend)
        else:
            check_storage(storage)
            opened = optuna.storages.RDBStorage(storage)
        return optuna.create_study(
            study_name=name, storage=opened, load_if_exists=True, directions=["minimize"] * objectives
        )
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, optuna.exceptions.OptunaError,
        sqlalchemy.exc.SQLAlchemyError,
    ) as error:  # fmt: skip
        hint = "choose another --output, or remove it" if isinstance(storage, Path) else EXAMPLE
        raise _refused(storage, error, hint) from error


def _refused(storage: Path | str, error: Exception, hint: str) -> ConfigError:
    why = str(getattr(error, "orig", None) or error).partition("\n")[0]
    return ConfigError(f"{storage} cannot be opened as the storage of a search: {why}", hint)

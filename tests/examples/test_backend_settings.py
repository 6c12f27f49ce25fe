"""The backend's settings: the guide's names, and one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.etter_backend.cache.client import RedisStore
from examples.etter_backend.controls.faults import FaultSwitch
from examples.etter_backend.settings import Settings, SettingsError


def test_the_guides_names_are_read(tmp_path: Path) -> None:
    """Each variable of the guide, and each name in its code, has its effect."""
    secret = tmp_path / "password"
    secret.write_text("p@ss:word/\n", encoding="utf-8")
    settings = Settings.from_env(
        {
            "ETTER_RUN_DIR": str(tmp_path),
            "ETTER_DB_HOST": "db.example",
            "ETTER_DB_PORT": "6543",
            "ETTER_DB_USER": "etter",
            "ETTER_DB_PASSWORD_FILE": str(secret),
            "ETTER_DB_NAME": "guide",
            "DB_POOL_SIZE": "5",
            "DB_MAX_OVERFLOW": "7",
            "DB_POOL_RECYCLE": "60",
            "REDIS_HOST": "redis.example",
            "REDIS_PORT": "6380",
            "REDIS_DB": "3",
            "REDIS_PASSWORD": "hunter2",
            "REDIS_MAX_CONNECTIONS": "11",
            "CACHE_EXPIRATION_SECONDS": "120",
            "RATE_LIMIT_REQUESTS": "10",
            "RATE_LIMIT_WINDOW": "2",
        }
    )
    url = settings.database_url
    assert (url.host, url.port, url.username, url.database) == (
        "db.example",
        6543,
        "etter",
        "guide",
    )
    assert url.password == "p@ss:word/"
    assert settings.pool == (5, 7)
    assert (settings.pool_recycle, settings.cache_seconds) == (60, 120)
    assert (settings.rate_limit_requests, settings.rate_limit_window) == (10, 2)
    store = RedisStore(settings, FaultSwitch(tmp_path / "faults", enabled=False))
    options = store.pool.connection_kwargs
    assert (options["host"], options["port"], options["db"]) == ("redis.example", 6380, 3)
    assert (options["password"], store.pool.max_connections) == ("hunter2", 11)
    assert "hunter2" not in repr(settings)
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"DB_POOL_SIZE": "many"}, "DB_POOL_SIZE is 'many'"),
        ({"DB_POOL_SIZE": "0"}, "DB_POOL_SIZE is '0'"),
        ({"RATE_LIMIT_WINDOW": "-1"}, "RATE_LIMIT_WINDOW is '-1'"),
        ({"ETTER_DB_PORT": "70000"}, "ETTER_DB_PORT is '70000'"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL"),
        ({"DATABASE_URL": "no url"}, "DATABASE_URL"),
        ({"ETTER_DB_HOST": "db"}, "ETTER_DB_USER"),
        ({"REDIS_HOST": "r", "REDIS_URL": "redis://r"}, "set one of them"),
        ({"ETTER_FEATURES": "+gzp"}, "did you mean gzip"),
        ({"ETTER_MODEL_URL": "http://h/path"}, "ETTER_MODEL_URL"),
        ({"WEB_CONCURRENCY": "49"}, "must leave each worker a connection"),
        ({"REDIS_PASSWORD_FILE": "/no/such/file"}, "REDIS_PASSWORD_FILE: /no/such/file"),
    ],
)
def test_a_wrong_value_is_one_clear_error(
    variables: dict[str, str], told: str, tmp_path: Path
) -> None:
    """The error names the variable and the value, and has a line for each problem."""
    with pytest.raises(SettingsError, match=told) as raised:
        Settings.from_env({"ETTER_RUN_DIR": str(tmp_path), **variables})
    assert len(str(raised.value).splitlines()) == 1


def test_a_secret_that_is_too_short_is_not_shown(tmp_path: Path) -> None:
    """The error names the variable and not its value."""
    with pytest.raises(SettingsError, match="ETTER_AUTH_SECRET") as raised:
        Settings.from_env({"ETTER_RUN_DIR": str(tmp_path), "ETTER_AUTH_SECRET": "hunter2"})
    assert "hunter2" not in str(raised.value)


def test_the_server_ends_with_the_errors_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two wrong variables are two lines and exit code 2, without a traceback."""
    for name, value in (
        ("ETTER_RUN_DIR", str(tmp_path)),
        ("DB_POOL_SIZE", "many"),
        ("RATE_LIMIT_REQUESTS", "0"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        Settings.or_exit()
    assert ended.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("DB_POOL_SIZE is 'many': ")
    assert second.startswith("RATE_LIMIT_REQUESTS is '0': ")

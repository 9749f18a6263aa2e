"""Where the name of a model leads: a folder is itself, `owner/name[@revision]` a copy from a hub.

What the Hugging Face hub (or HF_ENDPOINT) has comes through huggingface_hub, into its cache and
with its progress bars; HF_TOKEN, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean there. Only
what naga reads is fetched, and the weights last: a model that naga does not read is refused before.
What is there as a folder is never looked for on a hub, nor is a path whose first part is one;
`hf://` in front asks the hub all the same. Runs no code of a repository. Imports no torch, and the
hub's library only when it is asked.
"""

import glob
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from naga import __version__
from naga.checkpoint.config import CONFIG_FILE, read_model_config
from naga.config.base import ConfigError

CARD_FILE = "README.md"
# All that naga reads of a repository besides its weights and their index.
SMALL_FILES = (
    CONFIG_FILE, CARD_FILE, "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "chat_template.jinja",
)  # fmt: skip
# Path() makes one slash of two.
NAME = re.compile(r"(?P<hub>hf:/+)?(?P<id>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?")
SNAPSHOT = re.compile(r"models--(?P<owner>.+?)--(?P<name>.+)/snapshots/(?P<commit>[^/]+)")


@dataclass(frozen=True, kw_only=True)
class Repository:
    id: str
    """owner/name"""
    revision: str | None
    """Branch, tag or commit; None: the hub's default."""

    def __str__(self) -> str:
        return self.id if self.revision is None else f"{self.id}@{self.revision}"


def find_model(name: Path, *, weights: bool = True) -> Path:
    """The checkpoint folder that `name` means, fetched where it is a repository's.

    `weights`: False fetches only what tells what the model is. ConfigError for a repository that
    cannot be had or that naga does not read. A path that leads nowhere is given back: whoever reads
    it says so.
    """
    repository = parse_name(name)
    if repository is None:
        return name
    if not weights:
        return _fetch_checked(repository, (CONFIG_FILE, CARD_FILE))
    from naga.checkpoint.load import INDEX_FILE

    folder = _fetch_checked(repository, (*SMALL_FILES, INDEX_FILE))
    wanted = _weight_files(repository, folder)
    if _first_missing(folder, wanted) is not None:
        # By its commit: the branch may have moved meanwhile.
        _fetch(repository, wanted, commit=folder.name)
    missing = _first_missing(folder, wanted)
    if missing is not None:
        raise ConfigError(f"{repository}: has no {missing}; naga reads safetensors files alone")
    return folder


def parse_name(name: Path) -> Repository | None:
    """What of a hub `name` means; None if it is a path."""
    found = NAME.fullmatch(str(name))
    if found is None:
        return None
    if found["hub"] is None and (name.exists() or Path(name.parts[0]).exists()):
        return None
    return Repository(id=found["id"], revision=found["revision"])


def name_of(folder: Path) -> str:
    """What people call a checkpoint folder: its name, or the repository it is a copy of."""
    found = SNAPSHOT.search(folder.resolve().as_posix())
    return f"{found['owner']}/{found['name']}" if found else folder.resolve().name


def _fetch_checked(repository: Repository, files: Iterable[str]) -> Path:
    """Small files, with a config that naga reads."""
    folder = _fetch(repository, files)
    try:
        read_model_config(folder)
    except ConfigError as error:
        raise ConfigError(f"{repository}: {_without(folder, error)}") from None
    return folder


def _weight_files(repository: Repository, folder: Path) -> set[str]:
    """As load.py finds them; which of the two a repository has is known by its index alone."""
    from naga.checkpoint.load import INDEX_FILE, WEIGHTS_FILE, read_index

    if not (folder / INDEX_FILE).is_file():
        return {WEIGHTS_FILE}
    try:
        return {file.name for file in read_index(folder / INDEX_FILE).values()}
    except ConfigError as error:
        raise ConfigError(f"{repository}: {_without(folder, error)}") from None


def _first_missing(folder: Path, files: Iterable[str]) -> str | None:
    """The cache names a file only once it is whole."""
    return next((file for file in sorted(files) if not (folder / file).is_file()), None)


def _without(folder: Path, error: ConfigError) -> str:
    """Files by their names: the cache's paths tell nobody anything."""
    return str(error).replace(f"{folder}/", "")


def _fetch(repository: Repository, files: Iterable[str], *, commit: str | None = None) -> Path:
    """The cache's folder of one commit, with those of `files` that the repository has.

    `commit`: which one, if it is known; what is fetched then is large and has a progress bar, on a
    terminal.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import tqdm

    # None: not where there is no terminal. The library takes what makes a bar, typed as its class.
    bars: Any = partial(tqdm, disable=None if commit else True)
    with _hub_errors(repository):
        return Path(
            snapshot_download(
                repository.id,
                revision=commit or repository.revision,
                allow_patterns=[glob.escape(file) for file in sorted(files)],
                library_name="naga",
                library_version=__version__,
                tqdm_class=bars,
            )
        )


@contextmanager
def _hub_errors(repository: Repository) -> Iterator[None]:
    """What the hub's library says, as one ConfigError."""
    import httpx2
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        yield
    except errors.HFValidationError:
        problem = "is neither a folder nor a name that a repository can have"
    except errors.GatedRepoError:
        problem = (
            f"is gated: accept its terms at {hub}/{repository.id} and give a token "
            "(HF_TOKEN, or hf auth login)"
        )
    except errors.RepositoryNotFoundError:
        problem = (
            f"no such folder, and no such repository at {hub}, unless it is private: then give a "
            "token (HF_TOKEN, or hf auth login)"
        )
    except errors.RevisionNotFoundError:
        problem = f"{hub} has the repository, but not this revision"
    except (errors.LocalEntryNotFoundError, errors.IncompleteSnapshotError) as error:
        problem = _absence(error, hub, constants.HF_HUB_CACHE)
    except errors.HfHubHTTPError as error:
        problem = f"{hub} answered {error.response.status_code}; try again later"
    except httpx2.HTTPError as error:
        problem = f"{hub}: {error or type(error).__name__}; what was fetched is kept, try again"
    except OSError as error:
        problem = f"cannot be kept in {constants.HF_HUB_CACHE}: {error.strerror or error}"
    else:
        return
    raise ConfigError(f"{repository}: {' '.join(problem.split())}")


def _absence(error: Exception, hub: str, cache: str) -> str:
    """Why what is not wholly in the cache cannot be fetched."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    whole = f"it is not wholly in the cache ({cache})"
    fix = "connect once, or give a folder"
    if constants.is_offline_mode():
        return f"no such folder; {whole}, and HF_HUB_OFFLINE forbids to fetch it: unset it or {fix}"
    if isinstance(error.__cause__, HfHubHTTPError):
        return (
            f"{hub} answered {error.__cause__.response.status_code}, and {whole}; try again later"
        )
    return f"no such folder; {hub} cannot be reached, and {whole}: {fix}"

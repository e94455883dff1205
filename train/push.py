"""``python -m train push``: a release to the Hugging Face hub."""

from __future__ import annotations

from dataclasses import dataclass

from hrm_env.extras import optional

from .options import parsed
from .program import program


@dataclass(frozen=True, kw_only=True)
class Push:
    """Upload a release, its model.zip and its model card, to the Hugging Face hub; ``hf auth login`` logs in.

    Attributes:
        checkpoint: zoo:NAME, or the folder of another release.
        to: owner/name of the repository, which is made if there is none.
        private: Make the repository private; one that exists stays as it is.
    """

    checkpoint: str
    to: str
    private: bool = False


def main(arguments: list[str]) -> None:
    """Parses the options and uploads the two files in one commit."""
    options: Push = parsed(Push, arguments, "push")
    hub = optional("huggingface_hub", "hub")
    from hrm_agent.checkpoints.names import existing_checkpoint
    from hrm_agent.sb3.agent import HRM
    from hrm_env.sources.hub import reason

    file = existing_checkpoint(options.checkpoint)
    HRM.load(file, device="cpu")  # what could not be read is not shared
    card = file.with_name("README.md")
    if file.name != "model.zip" or not card.is_file():
        raise ValueError(f"--checkpoint: expected a release, model.zip and README.md in a folder, found {file}")
    api = hub.HfApi()
    try:
        api.create_repo(options.to, private=options.private, exist_ok=True)
        url = api.upload_folder(
            repo_id=options.to,
            folder_path=file.parent,
            allow_patterns=[file.name, card.name],
            commit_message=f"Release of {file.parent.name}",
        )
    except Exception as error:  # including errors of its HTTP library, which differs between versions
        raise ValueError(f"--to: expected a repository to write to, found {reason(error, hub.errors)}") from error
    print(f"{url}\n{program('watch')} --checkpoint hub:{options.to}")

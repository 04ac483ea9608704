"""The chat template of a model: its own, or a Jinja file that a recipe names (`chat_template_path`)."""

from pathlib import Path
from typing import TYPE_CHECKING

from open_r1.utils.errors import RecipeError
from open_r1.utils.files import require_file


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SUFFIXES = (".jinja", ".j2")  # TRL reads a file with another suffix as the name of a model on the Hub


def use_chat_template(tokenizer: "PreTrainedTokenizerBase", path: str | None) -> None:
    """Replaces the tokenizer's chat template with the one in a file.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Changed in place.
        path (`str`, *optional*): The Jinja file. With `None`, the tokenizer keeps its own template.

    Raises:
        RecipeError: If there is no such file, or it is not a .jinja file.
    """
    if path is None:
        return
    require_file("chat_template_path", path)
    if not path.endswith(SUFFIXES):
        raise RecipeError(
            f"chat_template_path: found {path!r}; expected a .jinja file, such as recipes/chat_templates/chatml.jinja."
        )
    tokenizer.chat_template = Path(path).read_text()

"""Chats with a checkpoint in the terminal.

Prompts are formatted as in training: a checkpoint trained with open_r1 contains its recipe, whose prompt template,
system prompt and chat template are used unless the command line names others. With a prompt template, each question
stands alone; with a chat template, the conversation continues until `/new`.

Examples:

  # the demo's R1-Zero
  python src/open_r1/chat.py outputs/tiny/zero

  # a single question
  python src/open_r1/chat.py outputs/tiny/zero --question "((3*7)+5)*2 = ?"

  # any model on the Hub, at a low temperature
  python src/open_r1/chat.py deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B --temperature 0.2 --max_new_tokens 8192
"""

import logging
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

import yaml


TEMPLATES = ("prompt_template", "system_prompt", "chat_template_path")


def parse_arguments() -> Namespace:
    """Parses the command line, and fills in the templates from the recipe that the checkpoint was trained with."""
    parser = ArgumentParser(
        "chat", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("model", help="A checkpoint's folder or a Hub model id.")
    parser.add_argument("--question", help="Answer this question and exit.")
    parser.add_argument("--prompt_template", help="Jinja file that turns a question into plain text (base models).")
    parser.add_argument("--system_prompt", help="System message put before the conversation.")
    parser.add_argument("--chat_template_path", help="Jinja file that replaces the tokenizer's chat template.")
    parser.add_argument("--temperature", type=float, default=0.6, help="Sampling temperature; 0 is greedy.")
    parser.add_argument("--top_p", type=float, default=0.95, help="Nucleus sampling: probability mass to sample from.")
    parser.add_argument("--max_new_tokens", type=int, default=2048, help="Maximum number of tokens per answer.")
    parser.add_argument("--seed", type=int, help="Sampling seed; random by default.")
    args = parser.parse_args()
    recipe_file = Path(args.model, "recipe.yaml")
    if recipe_file.is_file() and not any(getattr(args, name) for name in TEMPLATES):
        recipe = yaml.safe_load(recipe_file.read_text())
        for name in TEMPLATES:
            setattr(args, name, recipe.get(name))
    return args


class Chat:
    """A model and the conversation so far.

    Args:
        args (`Namespace`): What `parse_arguments` returns.

    Raises:
        RecipeError: If the model or a template cannot be loaded.
    """

    def __init__(self, args: Namespace):
        import torch  # here, so that a wrong command line is reported at once
        from transformers import AutoModelForCausalLM, TextStreamer
        from transformers.utils.logging import disable_progress_bar
        from trl import ModelConfig

        from open_r1.data.prompts import read_template
        from open_r1.models.chat_template import use_chat_template
        from open_r1.models.loading import load_model_info

        disable_progress_bar()
        info = load_model_info(ModelConfig(model_name_or_path=args.model), seed=0)
        info.require_checkpoint("model")
        self.tokenizer = info.tokenizer
        use_chat_template(self.tokenizer, args.chat_template_path)
        self.template = None
        if args.prompt_template:
            self.template = read_template(args.prompt_template, "--prompt_template")
        self.model = AutoModelForCausalLM.from_pretrained(args.model, dtype="auto")
        self.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        if args.seed is not None:
            torch.manual_seed(args.seed)
        self.streamer = TextStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.sampling = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if args.temperature > 0:
            self.sampling = {"do_sample": True, "temperature": args.temperature, "top_p": args.top_p, "top_k": 0}
        self.sampling["repetition_penalty"] = 1.0  # as in training, whatever the model's generation config says
        self.max_new_tokens = args.max_new_tokens
        self.system_prompt = args.system_prompt
        self.start_over()

    def start_over(self) -> None:
        """Forgets the conversation."""
        self.messages = []
        if self.system_prompt:
            self.messages.append({"role": "system", "content": self.system_prompt})

    def answer(self, question: str) -> None:
        """Streams the model's answer to the terminal, and adds the question and the answer to the conversation."""
        from open_r1.data.prompts import prompt_text

        self.messages.append({"role": "user", "content": question})
        if self.template is not None:
            prompt = self.template.render(prompt=question)
        else:
            prompt = prompt_text(self.messages, self.tokenizer)
        inputs = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=self.template is not None)
        inputs = inputs.to(self.model.device)
        pad = self.tokenizer.pad_token_id
        output = self.model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=self.max_new_tokens,
            pad_token_id=self.tokenizer.eos_token_id if pad is None else pad,
            streamer=self.streamer,
            **self.sampling,
        )
        completion = output[0, inputs["input_ids"].shape[1] :]
        text = self.tokenizer.decode(completion, skip_special_tokens=True)
        self.messages.append({"role": "assistant", "content": text})


def main() -> None:
    """Answers one question, or chats until the user quits."""
    args = parse_arguments()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    chat = Chat(args)
    if args.question:
        chat.answer(args.question)
        return
    sys.stdout.write(f"{args.model}. /new starts over, /quit or Ctrl-D ends, Ctrl-C interrupts an answer.\n")
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            sys.stdout.write("\n")
            return
        if question == "/quit":
            return
        if question == "/new":
            chat.start_over()
        elif question:
            _answer_until_interrupted(chat, question)


def _answer_until_interrupted(chat: Chat, question: str) -> None:
    """Answers; Ctrl-C ends the answer, not the conversation."""
    try:
        chat.answer(question)
    except KeyboardInterrupt:
        chat.messages.pop()  # drop the question, since its answer is incomplete
        sys.stdout.write("\n(interrupted)\n")


if __name__ == "__main__":
    from open_r1.configs.parser import report_user_errors

    with report_user_errors():
        main()

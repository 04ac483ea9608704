"""Every command in the documentation is run or parsed, and every file that it names exists."""

import json
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import stage_of
from open_r1.configs.stages import STAGES, TRAINING
from open_r1.plan import build_parser


ROOT = Path(__file__).parent.parent
PAGES = [
    p
    for p in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *sorted(ROOT.glob("docs/*.md")),
        *sorted(ROOT.glob("recipes/**/README.md")),
        ROOT / "slurm/README.md",
    ]
    if p.exists()
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)


def commands() -> list[tuple[str, str]]:
    lines = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                line = line.split(" #")[0].strip()
                if line and not line.startswith("#"):
                    lines.append((page.relative_to(ROOT).as_posix(), line))
    return lines


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_are_valid(page, line):
    words = shlex.split(line)
    words = [w for w in words if not re.match(r"^[A-Z_]+=", w)]
    if words[0] == "make":
        assert all(w in TARGETS for w in words[1:] if "=" not in w and not w.startswith("-")), line
        return
    if words[:3] == ["python", "-m", "venv"]:
        return
    if words[:2] == ["python", "-m"]:
        assert words[2].startswith("open_r1."), line
        if words[2] == "open_r1.plan":  # only parsed, since the model's configuration may be on the Hub
            plan_args, keys = build_parser().parse_known_args(words[3:])
            RecipeParser(stage_of(Path(plan_args.recipe))).parse(
                ["--config", plan_args.recipe, "--use_cpu", "true", *keys]
            )
            return
        RecipeParser(words[2].rpartition(".")[2]).parse(words[3:])
        return
    if words[0] == "sbatch" or (words[0] == "bash" and words[-1] == "--help"):
        file = next(i for i, word in enumerate(words) if word.endswith(".slurm"))
        assert (ROOT / words[file]).is_file(), line
        if "--recipe" in words:
            recipe, rest = words[words.index("--recipe") + 1], words[words.index("--recipe") + 2 :]
            stage = stage_of(Path(recipe))
            on_cpu = ["--use_cpu", "true", "--bf16", "false"] if stage in TRAINING else []
            RecipeParser(stage).parse(["--config", recipe, *rest, *on_cpu])
        return
    if words[0] == "pytest":
        assert all((ROOT / word).exists() for word in words[1:] if not word.startswith("-")), line
        return
    scripts = [i for i, w in enumerate(words) if w.startswith("src/open_r1/")]
    if scripts:
        stage, rest = Path(words[scripts[0]]).stem, words[scripts[0] + 1 :]
        before = words[: scripts[0]]
        if "--config_file" in before:
            assert (ROOT / before[before.index("--config_file") + 1]).is_file()
        if stage in STAGES and rest != ["--help"]:
            RecipeParser(stage).parse([*rest, "--use_cpu", "true", "--bf16", "false"] if stage in TRAINING else rest)
        else:
            assert (ROOT / words[scripts[0]]).is_file()
        return
    assert words[0] in {"git", "cd", "pip", "source", "export", "squeue"}, f"{page}: no test covers {line!r}"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub generates from the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_and_images_exist(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text()):
        if target.startswith("http"):
            continue
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_add_your_own_reward_runs_as_written(tmp_path, monkeypatch):
    """The reward of the README, used with the recipe line that the README gives."""
    code = next(block for block in blocks(ROOT / "README.md", "python") if "def brevity" in block)
    assert len(code.splitlines()) <= 10
    (tmp_path / "my_rewards.py").write_text(code)
    line = next(b for b in blocks(ROOT / "README.md", "yaml") if "my_rewards.py" in b)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(f"dataset_name: a.jsonl\nuse_cpu: true\nbf16: false\n{line}")
    from open_r1.rewards import Composition

    rewards = Composition(RecipeParser("grpo").parse(["--config", "recipe.yaml"])[0].rewards)
    rows = rewards.score(["one two", "word " * 500], solution=["1", "1"])
    assert dict(zip((reward.label for reward in rewards.rewards), rows, strict=True))["brevity"] == [1.0, 0.0]


def test_example_of_filters_runs_as_written(tmp_path, monkeypatch, capsys):
    code = next(block for block in blocks(ROOT / "docs/data.md", "python") if "NearDuplicates" in block)
    rows = [{"prompt": f"What is {n % 3} + 1 ?", "completion": "It is so."} for n in range(6)]
    (tmp_path / "my.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "duplicates: 3 of 6 dropped (50.0%)" in capsys.readouterr().out


def test_files_named_in_contributing_exist():
    """Paths start at the repository or src/open_r1; constants must be defined in the files named beside them."""
    for item in re.split(r"\n(?=\d\. |\||\n)", (ROOT / "CONTRIBUTING.md").read_text()):
        spans = re.findall(r"`([^`]+)`", item)
        files = []
        for span in spans:
            if re.fullmatch(r"[\w./-]+\.(py|txt|yaml|md)", span) and "/" in span:
                file = next((top / span for top in (ROOT, ROOT / "src/open_r1") if (top / span).is_file()), None)
                assert file, f"CONTRIBUTING.md: {span} does not exist"
                files.append(file)
        for name in spans:
            if files and re.fullmatch(r"[A-Z]{4,}", name):
                assert any(re.search(rf"^{name}\b", file.read_text(), re.M) for file in files), f"{name} in {files}"


CURRENT_PAGES = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which also has names of earlier versions


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_names_in_python_exist(page):
    missing = []
    for name in sorted(set(re.findall(r"\bopen_r1(?:\.\w+)+(?::\w+)?", page.read_text()))):
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError):
            missing.append(name)
    assert not missing


def yaml_snippets() -> list[tuple[str, str]]:
    """The excerpts of GRPO recipes in the documentation."""
    snippets = []
    for page in PAGES:
        for block in blocks(page, "yaml"):
            if "reward_funcs:" in block:
                snippets.append((page.relative_to(ROOT).as_posix(), block))
    return snippets


@pytest.mark.parametrize(("page", "snippet"), yaml_snippets())
def test_recipe_snippets_parse(page, snippet, tmp_path, monkeypatch):
    (tmp_path / "my_rewards.py").write_text("def brevity(completions, max_words, **kwargs): ...")
    data = "" if "sources:" in snippet else "dataset_name: a.jsonl\n"
    (tmp_path / "recipe.yaml").write_text(f"{data}use_cpu: true\nbf16: false\n{snippet}")
    monkeypatch.chdir(tmp_path)
    from open_r1.rewards import Composition

    assert Composition(RecipeParser("grpo").parse(["--config", "recipe.yaml"])[0].rewards)


def test_pipeline_snippet_parses(tmp_path):
    snippet = next(block for block in blocks(ROOT / "docs/pipelines.md", "yaml") if "stages:" in block)
    (tmp_path / "pipeline.yaml").write_text(snippet)
    (args,) = RecipeParser("pipeline").parse(["--config", str(tmp_path / "pipeline.yaml")])
    assert len(args.stages) == 2


def test_builder_recipe_snippet_parses(tmp_path):
    snippet = next(block for block in blocks(ROOT / "docs/data.md", "yaml") if "builder:" in block)
    (tmp_path / "recipe.yaml").write_text(snippet)
    (args,) = RecipeParser("distill").parse(["--config", str(tmp_path / "recipe.yaml")])
    assert len(args.sources) == 2


def test_error_messages_explained_in_the_faq_exist():
    """The longest constant part of each message appears in the source code."""
    code = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
    errors = (ROOT / "docs/faq.md").read_text().partition("## Errors")[2].partition("\n## ")[0]
    for message in re.findall(r"^\*\*`(.+?)`\.\*\*", errors, re.M):
        fixed = max(re.split(r"'[^']*'|\(?\d+\)?", message), key=len).strip()
        assert fixed in code, f"docs/faq.md explains {message!r}, which is not in the code"


def test_makefile_targets_have_a_description():
    text = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "style", "validate", "help"):
        assert re.search(rf"^{target}:.*## \w", text, re.M), target

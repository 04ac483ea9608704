"""Evaluates pushed revisions, each in its own process on this machine or in its own Slurm job."""

import atexit
import logging
import shlex
import subprocess
import sys
from pathlib import Path

from open_r1.cluster.slurm import clean_environment, submit_job
from open_r1.configs.recipes import command_of
from open_r1.evals.results import FILE as RESULT
from open_r1.utils.errors import split_shell_words
from open_r1.utils.files import write_text_atomically


logger = logging.getLogger(__name__)

FOLDER = "evaluations"
REVISION = "revision.txt"  # the revision to evaluate; if this run is stopped first, a later run does it
JOB = "job.txt"  # the Slurm job that evaluates it
LOG = "log.txt"


class Evaluations:
    """Evaluates revisions of a model, each into `<output_dir>/evaluations/step-<step>`.

    Args:
        recipe (`str`): An `eval` recipe.
        output_dir (`str`): The run's output folder.
        repo (`str`): The model's repository.
        slurm (`str`, *optional*): Options of sbatch, to evaluate in Slurm jobs. With `None`, evaluations run as
            processes on this machine.
    """

    def __init__(self, recipe: str, output_dir: str, repo: str, slurm: str | None):
        self.recipe = Path(recipe)
        self.output_dir = Path(output_dir, FOLDER)
        self.repo = repo
        self.slurm = slurm

    def folder_of(self, step: int) -> Path:
        """The folder for the results of a checkpoint."""
        return self.output_dir / f"step-{step}"

    def requested_steps(self) -> list[int]:
        """The steps whose evaluation was requested, in this or an earlier run, but is neither done nor submitted."""
        steps = []
        for path in self.output_dir.glob(f"step-*/{REVISION}"):
            step = int(path.parent.name.removeprefix("step-"))
            if not self._is_settled(step):
                steps.append(step)
        return sorted(steps)

    def request(self, step: int, revision: str) -> None:
        """Records on disk that a revision is to be evaluated."""
        folder = self.folder_of(step)
        folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(folder / REVISION, revision + "\n")

    def start(self, step: int) -> subprocess.Popen | None:
        """Starts a requested evaluation.

        Returns:
            `subprocess.Popen`, *optional*: Its process; `None` if a Slurm job evaluates the revision or it has
                already been evaluated.

        Raises:
            RecipeError: If Slurm does not accept the job.
        """
        if self._is_settled(step):
            return None
        folder = self.folder_of(step)
        if self.slurm is None:
            with (folder / LOG).open("a") as log:
                process = subprocess.Popen(
                    self._command(step), env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            atexit.register(process.terminate)  # otherwise it and the next run would write into the same folder
            return process
        options = split_shell_words("evaluation_slurm", self.slurm)
        job = submit_job("slurm/evaluate.slurm", options, ["--recipe", str(self.recipe), *self._keys(step)])
        write_text_atomically(folder / JOB, job + "\n")
        logger.info("Slurm job %s evaluates step %d into %s", job, step, folder)
        return None

    def report(self, step: int, process: subprocess.Popen) -> None:
        """Logs an evaluation, started by `start`, that has failed."""
        atexit.unregister(process.terminate)
        if process.returncode != 0:
            status = f"status {process.returncode}, see {self.folder_of(step) / LOG}"
            logger.error("the evaluation of step %d failed (%s):\n  %s", step, status, shlex.join(self._command(step)))

    def _is_settled(self, step: int) -> bool:
        """Whether a revision has been evaluated, or a Slurm job submitted for it."""
        folder = self.folder_of(step)
        return (folder / RESULT).is_file() or (folder / JOB).is_file()

    def _command(self, step: int) -> list[str]:
        return [sys.executable, *command_of(self.recipe), *self._keys(step)]

    def _keys(self, step: int) -> list[str]:
        folder = self.folder_of(step)
        revision = (folder / REVISION).read_text().strip()
        return ["--model_name_or_path", self.repo, "--model_revision", revision, "--output_dir", str(folder)]

"""Evaluations of what a run has pushed, off its path: processes on this machine, one after another, or jobs of Slurm."""

import atexit
import logging
import queue
import shlex
import subprocess
import sys
import threading
from pathlib import Path

from open_r1.cluster.slurm import clean_environment, submit_job
from open_r1.configs.recipes import command_of
from open_r1.utils.errors import RecipeError, split_shell_words
from open_r1.utils.files import write_text_atomically


logger = logging.getLogger(__name__)

FOLDER = "evaluations"
RESULT = "eval.json"
ASKED = "revision.txt"  # what is to be evaluated there; a run that is stopped before it was goes on with it
JOB = "job.txt"  # the job that does it


class Evaluations:
    """Evaluates revisions of a model, each into `<output_dir>/evaluations/step-<step>`.

    Args:
        recipe (`str`): An `eval` recipe.
        output_dir (`str`): The run's folder.
        name (`str`): The model's repository.
        slurm (`str`, *optional*): Options of sbatch, if they are to be jobs; `None` for processes of this machine.
    """

    def __init__(self, recipe: str, output_dir: str, name: str, slurm: str | None):
        self.recipe, self.folder, self.name, self.slurm = recipe, Path(output_dir, FOLDER), name, slurm
        self.waiting: queue.Queue[tuple[str, Path]] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()
        for path in sorted(self.folder.glob(f"step-*/{ASKED}")):
            self.start(path.read_text().strip(), int(path.parent.name.partition("-")[2]))

    def start(self, revision: str, step: int):
        """Starts an evaluation, or puts it behind those that wait."""
        folder = self.folder / f"step-{step}"
        if (folder / RESULT).is_file() or (folder / JOB).is_file():
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(folder / ASKED, revision + "\n")
        keys = self._keys(revision, folder)
        if self.slurm is None:
            self.waiting.put((revision, folder))
            return
        try:
            job = submit_job(
                "slurm/evaluate.slurm",
                split_shell_words("evaluation_slurm", self.slurm),
                ["--recipe", self.recipe, *keys],
            )
        except RecipeError as error:
            logger.error("%s is not evaluated: %s", revision, error)
        else:
            write_text_atomically(folder / JOB, job + "\n")
            logger.info("job %s evaluates %s into %s", job, revision, folder)

    def _keys(self, revision: str, folder: Path) -> list[str]:
        return ["--model_name_or_path", self.name, "--model_revision", revision, "--output_dir", str(folder)]

    def _work(self):
        while True:
            revision, folder = self.waiting.get()
            try:
                self._evaluate(revision, folder)
            except Exception as error:  # whatever it is, the run goes on
                logger.error("%s is not evaluated: %s", revision, error)
            finally:
                self.waiting.task_done()

    def _evaluate(self, revision: str, folder: Path):
        if (folder / RESULT).is_file():  # asked for twice
            return
        command = [sys.executable, *command_of(Path(self.recipe)), *self._keys(revision, folder)]
        with (folder / "log.txt").open("a") as log:
            process = subprocess.Popen(
                command, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        atexit.register(process.terminate)  # or it would go on beside the next run's, into the same folder
        status = process.wait()
        atexit.unregister(process.terminate)
        if status:
            told = f"see {folder / 'log.txt'}:\n  {shlex.join(command)}"
            logger.error("%s is not evaluated (status %s), %s", revision, status, told)

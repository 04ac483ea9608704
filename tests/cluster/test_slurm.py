"""The environment of programs that are not part of a run."""

from open_r1.cluster.slurm import clean_environment


def test_clean_environment_has_no_variables_of_the_run(monkeypatch):
    for name in (
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "MASTER_ADDR",
        "TORCHELASTIC_RUN_ID",
        "ACCELERATE_USE_FSDP",
        "SLURM_NTASKS",
    ):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    env = clean_environment()
    assert not {name for name in env if name.startswith(("RANK", "WORLD", "MASTER", "TORCHELASTIC", "ACCELERATE"))}
    assert env["SLURM_CONF"] == "/etc/slurm.conf" and env["HF_TOKEN"] == "hf_x" and "SLURM_NTASKS" not in env

"""Who takes part: each contender, the environment it lives in and the jobs it can do; and how environments are made.

tfvae, the Keras example and TFP's layers run in the environment that runs the suite; the others have one each.
"""

import dataclasses
import subprocess
import sys
import venv
from pathlib import Path

DEFAULT_FOLDER = Path(__file__).parents[1] / ".peers"
TORCH = "torch==2.13.0"  # exactly this: other versions may bring gigabytes of CUDA
ENVIRONMENTS = {  # name: what pip is given, call by call
    "jax": [["jax==0.10.2", "optax==0.2.8", "numpyro==0.22.0"]],
    "torch": [[TORCH, "numpy"]],
    "pythae": [
        [TORCH, "numpy", "pydantic", "tqdm", "typing_extensions", "imageio", "scipy", "scikit-learn", "cloudpickle"],
        ["--no-deps", "pythae==0.1.2"],
    ],
}
PLAIN, LOW = ("a", "c", "e"), ("a16", "b16", "w16")
TRAINING = ("a", "b20", "b128", "c", "e")
CLUSTERS = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_ops_to_cluster=FUSIBLE"  # all but products


@dataclasses.dataclass(frozen=True)
class Contender:
    """One way to do a job.

    Attributes:
        name: in tables.
        module: its file in `peers`.
        variant: which of the file's variants.
        jobs: those it can do.
        environment: where it runs; `None` for that of the suite.
        role: "ours", "peer", or "machine" for the matrix products.
        compares_loss: whether it logs the same loss as the others.
        flags: what `TF_XLA_FLAGS` is in its process.
    """

    name: str
    module: str
    variant: str
    jobs: tuple[str, ...]
    environment: str | None = None
    role: str = "peer"
    compares_loss: bool = True
    flags: str = ""

    def python(self, folder: Path) -> str:
        """Returns the interpreter of its environment."""
        return sys.executable if self.environment is None else str(folder / self.environment / "bin" / "python")

    def missing(self, folder: Path) -> bool:
        """Tells whether its environment has not been set up (completely)."""
        return self.environment is not None and not (folder / self.environment / ".ready").exists()


DENSE = ("a", "b20", "b128", "d", "e", *LOW)
CONTENDERS = (
    Contender("tfvae fit", "tfvae_fit", "fit", TRAINING, role="ours"),
    Contender("tfvae fit, graph", "tfvae_fit", "fit_graph", TRAINING + LOW, role="ours"),
    Contender("tfvae fit, XLA", "tfvae_fit", "fit_xla", TRAINING + LOW, role="ours"),
    Contender("tfvae fit, mixed_bfloat16", "tfvae_fit", "fit_mixed", LOW, role="ours"),
    Contender("tfvae fit, mixed_bfloat16, XLA", "tfvae_fit", "fit_mixed_xla", LOW, role="ours"),
    Contender("tfvae fit, bfloat16 products", "tfvae_fit", "fit_products", LOW, role="ours"),
    Contender("tfvae fit, bfloat16 products, clusters", "tfvae_fit", "fit_products", LOW, role="ours", flags=CLUSTERS),
    Contender("tfvae bare step", "tfvae_fit", "step", TRAINING, role="ours"),
    Contender("tfvae bare step, XLA", "tfvae_fit", "step_xla", TRAINING, role="ours"),
    Contender("tfvae bare loop, XLA", "tfvae_fit", "loop_xla", TRAINING, role="ours"),
    Contender("tfvae log_prob", "tfvae_fit", "log_prob", ("d",), role="ours"),
    Contender("JAX step", "jax_by_hand", "step", TRAINING, "jax"),
    Contender("JAX scan", "jax_by_hand", "scan", TRAINING, "jax"),
    Contender("JAX log_prob", "jax_by_hand", "log_prob", ("d",), "jax"),
    Contender("NumPyro SVI", "numpyro_svi", "svi", PLAIN, "jax"),
    Contender("PyTorch eager", "torch_by_hand", "eager", TRAINING + LOW, "torch"),
    Contender("PyTorch compile", "torch_by_hand", "compile", TRAINING + LOW, "torch"),
    Contender("PyTorch eager, autocast", "torch_by_hand", "eager_autocast", LOW, "torch"),
    Contender("PyTorch compile, autocast", "torch_by_hand", "compile_autocast", LOW, "torch"),
    Contender("PyTorch log_prob", "torch_by_hand", "log_prob", ("d",), "torch"),
    Contender("Pythae trainer", "pythae_trainer", "train", PLAIN, "pythae"),
    Contender("Pythae trainer (IWAE)", "pythae_trainer", "train", ("b20", "b128"), "pythae", compares_loss=False),
    Contender("Pythae get_nll", "pythae_trainer", "get_nll", ("d",), "pythae"),
    Contender("Keras example fit", "keras_example", "fit", PLAIN),
    Contender("Keras example fit, XLA", "keras_example", "fit_xla", PLAIN),
    Contender("TFP layers fit (tf_keras)", "tfp_layers", "fit", PLAIN),
    Contender("matrix products, NumPy", "products", "numpy", DENSE, role="machine", compares_loss=False),
    Contender("matrix products, TensorFlow", "products", "tensorflow", DENSE, role="machine", compares_loss=False),
)


def set_up(folder: Path, environments: dict[str, list[list[str]]] | None = None) -> None:
    """Makes environments in `folder`, those that are not there yet; by default the peers' of this suite."""
    for name, calls in (ENVIRONMENTS if environments is None else environments).items():
        where = folder / name
        if (where / ".ready").exists():
            print(f"{name}: there already ({where})")
            continue
        print(f"{name}: installing into {where}", flush=True)
        venv.create(where, with_pip=True, clear=True)
        for packages in calls:
            command = [where / "bin" / "python", "-m", "pip", "install", "--quiet", *packages]
            subprocess.run([str(part) for part in command], check=True)
        (where / ".ready").touch()

"""The code that a report page shows: how to use the model in Python, without tfvae, and from a server.

What is printed takes what the model is told, its mask and its labels by the names of the exported endpoints.
"""

from collections.abc import Iterator

from tfvae.evaluation.report import Report
from tfvae.vae import VAE

PYTHON = """
import keras
import tfvae

vae = keras.saving.load_model("model.keras")
vae.encode(x{seen}), vae.reconstruct(x{seen}), vae.sample(64{told})
vae.log_prob(x, num_samples={num_samples}{seen})  # nats
"""
IMPUTE = "\nvae.impute(x, num_samples={num_samples}{seen}).mean"
CLASSIFY = "\nvae.classify(x{seen})  # probabilities"
SERVE = """
import tensorflow as tf  # neither tfvae nor TFP is needed

served = tf.saved_model.load("saved_model/1")
served.signatures["reconstruct"](x=x{fed})["mean"]
served.signatures["log_prob"](x=x{fed}{unknown}, num_samples=tf.constant({num_samples}), seed=tf.constant(0))
"""
SERVE_CLASSES = '\nserved.signatures["classify"](x=x{fed})["{label}"]  # probabilities'
SERVER = 'tensorflow_model_server --rest_api_port=8501 --model_name=vae --model_base_path="$PWD/saved_model"'


def blocks(vae: VAE, report: Report, masked: bool) -> Iterator[tuple[str, str]]:
    """Yields titles and code.

    Args:
        vae: the model.
        report: of it, whose number of samples the code asks for.
        masked: whether the data have gaps.
    """
    names, labels = list(vae.conditions), vae.latents.enumerated
    told = f", condition={names[0] if len(names) == 1 else '{...}'}" if names else ""
    fed = ", mask=~tf.math.is_nan(x)" if "mask" in vae.used_names else ""
    words = {
        "num_samples": report.num_samples,
        "told": told,
        "seen": told + (", mask=~np.isnan(x)" if masked else ""),
        "fed": fed + "".join(f", {name}={name}" for name in names),
        "unknown": "".join(f", {name}=tf.fill(tf.shape(x)[:1], -1)" for name in labels),
    }
    python = PYTHON.replace("import keras\n", "import keras\nimport numpy as np\n") if masked else PYTHON
    python = python.strip() + (CLASSIFY if labels else "") + (IMPUTE if masked else "")
    serve = SERVE.strip() + "".join(SERVE_CLASSES.replace("{label}", name) for name in labels)
    yield "In Python, from the folder of this page:", python.format(**words)
    yield "Without tfvae:", serve.format(**words)
    yield "With TensorFlow Serving:", SERVER

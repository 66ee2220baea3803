"""What a trained model is worth: likelihood with error bars, latent code, samples, factors."""

from tfvae.evaluation.code_scores import DCI, dci, explicitness, mig, modularity, sap
from tfvae.evaluation.downstream import Anomaly, Area, LinearProbe, anomaly, linear_probe, roc_auc
from tfvae.evaluation.factor_scores import Disentanglement, beta_vae_score, disentanglement, factor_vae_score
from tfvae.evaluation.factors import Score
from tfvae.evaluation.gaps import Gap, Gaps, inference_gaps
from tfvae.evaluation.generation import (
    Discrepancy,
    PrecisionRecall,
    TwoSampleTest,
    classifier_two_sample_test,
    maximum_mean_discrepancy,
    precision_recall,
)
from tfvae.evaluation.latents import (
    AggregatedPosterior,
    active_units,
    kl_per_dimension,
    mutual_information,
    posterior_means,
    prior_variance,
    relative_activity,
    unit_activity,
)
from tfvae.evaluation.learners import logistic_regression, nearest_neighbors
from tfvae.evaluation.report import Bound, Estimate, GapMeans, Report
from tfvae.evaluation.scoring import evaluate
from tfvae.inference.annealed import AnnealedEstimate, Sandwich, annealed_log_prob, bidirectional

__all__ = [
    "AggregatedPosterior",
    "AnnealedEstimate",
    "Anomaly",
    "Area",
    "Bound",
    "DCI",
    "Discrepancy",
    "Disentanglement",
    "Estimate",
    "Gap",
    "GapMeans",
    "Gaps",
    "LinearProbe",
    "PrecisionRecall",
    "Report",
    "Sandwich",
    "Score",
    "TwoSampleTest",
    "active_units",
    "annealed_log_prob",
    "anomaly",
    "beta_vae_score",
    "bidirectional",
    "classifier_two_sample_test",
    "dci",
    "disentanglement",
    "evaluate",
    "explicitness",
    "factor_vae_score",
    "inference_gaps",
    "kl_per_dimension",
    "linear_probe",
    "logistic_regression",
    "maximum_mean_discrepancy",
    "mig",
    "modularity",
    "mutual_information",
    "nearest_neighbors",
    "posterior_means",
    "precision_recall",
    "prior_variance",
    "relative_activity",
    "roc_auc",
    "sap",
    "unit_activity",
]


def __dir__() -> list[str]:
    return __all__

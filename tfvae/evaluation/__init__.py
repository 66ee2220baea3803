"""How good a trained model is: its likelihood with error bars, its latent code, its samples.

The likelihood
    evaluate                    scores a model on a data set, in one pass; returns a `Report`
    Report                      the numbers of `evaluate`; prints as a table, travels as JSON
    Estimate, Bound, GapMeans   entries of a report: a mean with its error, a rung of the ladder, the gaps
    LatentReport                one of several latents in a report: its rate, units, and information on x
    classification              how well a latent that is a class is told, and how sure; returns a `ClassReport`
    Bin                         a bin of its reliability curve
    baselines                   log p(x) of models without z, independent columns and more; returns `Baselines`
    Baseline                    one of them in a report, beside the model
    annealed_log_prob           log p(x) by annealed importance sampling; returns an `AnnealedEstimate`
    bidirectional               a lower and an upper bound on log p(x); returns a `Sandwich`
    hidden_cells                error and intervals of cells that were hidden on purpose; returns `HiddenCells`
    inference_gaps              splits the variational gap into family and encoder; returns `Gaps`, each a `Gap`
The latent code, of several latents with `latent=`, a name
    posterior_means             E q(z | x) of each example
    kl_per_dimension            the rate of each latent dimension
    rates                       the rate of each latent of several
    unit_activity               Var_x E[z_d]; relative_activity divides it by prior_variance
    active_units                how many dimensions vary with x
    mutual_information          I(x; z) and KL(q(z) || p(z)); returns an `AggregatedPosterior`
    disentanglement             all scores of known factors, as a table; returns a `Disentanglement`
    beta_vae_score, factor_vae_score, mig, modularity, sap, explicitness    one of them each; returns a `Score`
    dci                         three of them from one forest; returns a `DCI`
    linear_probe                how many labels a linear classifier reads from codes; returns a `LinearProbe`
Samples and outliers
    classifier_two_sample_test  whether a classifier tells two sets apart; returns a `TwoSampleTest`
    maximum_mean_discrepancy    the kernel distance between two sets; returns a `Discrepancy`
    precision_recall            which share looks real, which share is covered; returns a `PrecisionRecall`
    anomaly                     how well likelihood tells outliers from inliers; returns an `Anomaly`
    roc_auc                     the area under the ROC curve of two sets of scores; returns an `Area`
    boosted_trees, logistic_regression, nearest_neighbors    classifiers for the two-sample test
Synthetic tables
    synthetic_quality           columns, pairs, usefulness and copies of synthetic rows; returns a `TableQuality`
    ColumnScore, PairScore, Usefulness, ClosestRecord, Bootstrapped    its entries
"""

from tfvae.evaluation.classes import Bin, ClassReport, classification
from tfvae.evaluation.code_scores import DCI, dci, explicitness, mig, modularity, sap
from tfvae.evaluation.downstream import Anomaly, Area, LinearProbe, anomaly, linear_probe, roc_auc
from tfvae.evaluation.entries import Baseline, Bound, Estimate, GapMeans, LatentReport
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
from tfvae.evaluation.hidden import HiddenCells, hidden_cells
from tfvae.evaluation.latents import (
    AggregatedPosterior,
    active_units,
    kl_per_dimension,
    mutual_information,
    posterior_means,
    prior_variance,
    rates,
    relative_activity,
    unit_activity,
)
from tfvae.evaluation.learners import boosted_trees, logistic_regression, nearest_neighbors
from tfvae.evaluation.report import Report
from tfvae.evaluation.scoring import evaluate
from tfvae.evaluation.table_rows import Bootstrapped, ClosestRecord, Usefulness
from tfvae.evaluation.table_scores import ColumnScore, PairScore
from tfvae.evaluation.tables import TableQuality, synthetic_quality
from tfvae.evaluation.without_z import Baselines, baselines
from tfvae.inference.annealed import AnnealedEstimate, Sandwich, annealed_log_prob, bidirectional

__all__ = [
    "AggregatedPosterior",
    "AnnealedEstimate",
    "Anomaly",
    "Area",
    "Baseline",
    "Baselines",
    "Bin",
    "Bootstrapped",
    "Bound",
    "ClassReport",
    "ClosestRecord",
    "ColumnScore",
    "DCI",
    "Discrepancy",
    "Disentanglement",
    "Estimate",
    "Gap",
    "GapMeans",
    "Gaps",
    "HiddenCells",
    "LatentReport",
    "LinearProbe",
    "PairScore",
    "PrecisionRecall",
    "Report",
    "Sandwich",
    "Score",
    "TableQuality",
    "TwoSampleTest",
    "Usefulness",
    "active_units",
    "annealed_log_prob",
    "anomaly",
    "baselines",
    "beta_vae_score",
    "bidirectional",
    "boosted_trees",
    "classification",
    "classifier_two_sample_test",
    "dci",
    "disentanglement",
    "evaluate",
    "explicitness",
    "factor_vae_score",
    "hidden_cells",
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
    "rates",
    "relative_activity",
    "roc_auc",
    "sap",
    "synthetic_quality",
    "unit_activity",
]


def __dir__() -> list[str]:
    return __all__

"""The cases of large tests that the default run takes; `pytest -m slow` runs the others of the same tests.

A case stays for each thing that a test claims: one of each kind of part, of estimator, of the ways to give the same
data. A case that is added to a test of this list is slow until it is named here. A test that is slow as a whole
carries the marker itself.
"""

import re
from collections.abc import Iterable

import pytest

COLLECTED = pytest.StashKey[list[str]]()  # the names of all cases of this run, of which some are left out
STAY = {  # file: test: pattern of all of what stands between the brackets
    "test_annealed.py": {
        "test_weights_are_unbiased_in_both_directions": "True-0.5",
        "test_step_size_finds_the_target_acceptance": "5.0",
    },
    "test_bad_input.py": {
        "test_a_stream_that_goes_bad_is_refused_at_the_end_of_its_block": "False-4",
        "test_other_number_types_are_converted_and_integers_are_said_once": "float64|uint8",
    },
    "test_check_part.py": {
        "test_some_parts_of_the_library_keep_their_laws": "tfvae.(likelihoods-Poisson|objectives-.*|schedules-.*)",
        "test_a_broken_part_is_told_which_law": "OffByAConstant|NotReparameterized|OtherForm|Endless",
    },
    "test_cli.py": {"test_sample_writes_the_draws_of_a_seed": "npz"},
    "test_cli_refusals.py": {"test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_space": "8"},
    "test_cli_words.py": {
        "test_every_part_can_be_named_or_is_refused_with_what_to_do": "likelihood-(bernoulli|columns|warped)|"
        "likelihood-categorical|objective-(classification|geco|iwae|total-correlation)",
        "test_every_word_of_a_network_and_a_schedule_means_an_object": "mlp-cosine|residual-constant|conv-cosine",
    },
    "test_collapse_alarm.py": {
        "test_no_alarm_before_a_warm_up_is_over": "(beta|capacity)-schedule[03]-.*",
        "test_posteriors_without_a_mean_or_a_kl_per_dimension": "<lambda>-<lambda>1",
        "test_an_unknown_number_of_steps_is_judged_after_the_schedule_and_not_on_a_plateau": "schedule1-500",
    },
    "test_collapse_alarm_runs.py": {
        "test_collapse_raises_the_alarm_and_a_healthy_run_does_not": "digits, beta 4",
    },
    "test_combinations.py": {
        "test_sample_of_combinations_trains_scores_saves_and_exports": "LogNormal-LogNormal-StudentT-.*",
    },
    "test_conditions.py": {
        "test_every_method_takes_arguments_or_one_dict": "both",
    },
    "test_conditional_runs.py": {"test_samples_are_of_the_label_that_was_asked_for": "fox"},
    "test_containers.py": {
        "test_numbers_are_those_of_the_array": "csr",
        "test_labels_are_dropped_with_a_note_in_any_form": "integers|a column",
    },
    "test_disentanglement.py": {"test_noise_is_at_chance_however_few_rows_a_value_has": "2"},
    "test_docs.py": {
        "test_part_of_contributing_keeps_all_laws": "Add an estimator in 20 lines",
        "test_page_runs_from_top_to_bottom": "choose/(estimator|network|prior)|extend|faq",
    },
    "test_earlier_files.py": {
        "test_a_file_of_the_version_before_gives_its_numbers": "models/normal.keras|run_complete|served/1",
    },
    "test_enumerated.py": {
        "test_bound_and_gradient_are_those_of_a_sum_by_hand": "ELBO-(no|some) labels|MIWAE-no labels|"
        "(IWAE|Renyi|CIWAE)-some labels",
        "test_the_mean_gradient_is_the_pathwise_one": "'label last'-ELBO.*-Doubly.*",
        "test_log_p_of_x_is_the_sum_over_labels": "label last",
    },
    "test_enumerated_evaluation.py": {
        "test_a_score_does_not_depend_on_labels": "rates|KL|information|means|activity|codes",
        "test_streams_bring_labels": "tf.data|PyDataset",
        "test_information_of_classes_is_exact_for_their_probabilities": "M2|bare",
        "test_information_of_a_latent_beside_classes_counts_examples_not_values": "side by side",
    },
    "test_estimators.py": {
        "test_mean_is_the_exact_gradient": r"ELBO\(beta=1.*-Pathwise.*|ELBO\(beta=0.3.*-(Sticking|Score).*|"
        r"IWAE.*-Doubly.*|(IWAE|Renyi\(alpha=-1).*-Score.*|PIWAE.*-Pathwise.*|CIWAE.*-Pathwise.*|MIWAE.*",
    },
    "test_evaluation.py": {
        "test_every_posterior_has_a_report": "(DiagonalNormal|Categorical)-None",
        "test_exactly_the_samples_asked_for": "7-(1003|50)|50-(1|51)",
    },
    "test_few_labels_suite.py": {"test_m2_with_100_labels_is_better_than_its_classifier_alone": "3"},
    "test_first_aid.py": {
        "test_a_healthy_run_with_batchnorm_and_dropout_is_the_same_with_first_aid": "None",
        "test_training_goes_on_without_the_guard_after_a_fit": "1000000.0",
        "test_the_batch_is_carried_out_of_the_step_as_it_was_given": "given1",
        "test_of_arrays_the_batch_is_known_however_many_steps_a_call_takes": "more0",
    },
    "test_flows.py": {
        "test_implicit_gradient_is_that_of_the_unrolled_search": "affine",
        "test_density_integrates_to_one_and_agrees_with_samples": "(Inverse|Masked)Autoregressive-affine|Coupling-.*",
        "test_path_gradient_is_zero_where_posterior_and_target_are_equal": "Masked.*|Coupling|DiagonalNormal",
        "test_xla_agrees_with_eager": "Coupling-spline|MaskedAutoregressive-affine",
    },
    "test_inference.py": {
        "test_any_reparameterised_posterior": "DiagonalNormal",
        "test_never_worse_than_the_start": "1e-06",
    },
    "test_joint.py": {
        "test_sticking_the_landing_is_silent_at_the_exact_posterior": "bottomup",
        "test_the_mean_gradient_is_the_pathwise_one": "IWAE.num_samples=4.*-bottomup",
        "test_one_draw_serves_both_sides_of_an_objective": "bottomup",
    },
    "test_joint_combinations.py": {
        "test_what_makes_sense_trains_and_the_rest_is_refused": "DiagonalNormal-(IWAE|Moment).*|Categorical-ELBO-.*",
    },
    "test_joint_doors.py": {"test_arrays_and_streams_train_alike": "topdown"},
    "test_keras_integration.py": {
        "test_mixed_precision_keeps_densities_in_float32": "mixed_bfloat16",
        "test_own_networks": "functional|one layer, and none",
    },
    "test_known.py": {
        "test_what_is_wrong_is_named_with_what_to_do": "(?!no condition (to|in) |.*in a stream|inf|half).*",
    },
    "test_known_doors.py": {
        "test_a_single_batch_takes_target_weights_and_condition": "train_on_batch",
        "test_the_note_on_labels_says_why": "masked-.*",
    },
    "test_labels.py": {
        "test_evaluation_does_not_depend_on_how_labels_fall_into_batches": "2",
        "test_what_is_wrong_with_labels_is_said": "(?!a (later|stream).*|a classifier of a stream).*",
    },
    "test_latents.py": {
        "test_declared_capabilities_hold": "posterior .*|prior (VampPrior|LogitNormal|Hyper.*|Categorical)",
        "test_density_integrates_to_one_and_agrees_with_samples": "(?!.*(Spline|Autoregressive)-2).*",
        "test_xla_step_with_unknown_batch_size": "DiagonalNormal|Categorical",
        "test_batch_of_any_size_and_stateless_seeds_in_a_graph": "DiagonalNormal|VonMisesFisher|(Relaxed|)Categorical",
        "test_saved_model_runs_without_the_package": "VonMisesFisher|RelaxedCategorical",
        "test_pathwise_gradient_is_the_gradient_of_the_integral": "(?!Flow-(Inverse|Spline)).*",
        "test_xla_density_of_priors_is_the_eager_one": "(?!Flow-(RealNVP|Spline)).*",
        "test_held_parameters_are_constants_inside_the_density": "(?!Flow-(Inverse|Spline)).*",
    },
    "test_laws.py": {  # the gradients, and the mixed precision, of every posterior and prior alone are in test_latents
        "test_every_weight_of_a_model_has_a_finite_gradient": "FullNormal-None-.*|"
        "DiagonalNormal-VampPrior.*|DiagonalNormal-None-(Bernoulli|Columns)-.*|"
        "DiagonalNormal-DiagonalNormal-Normal-(?!IWAE).*|FullNormal-Mixture.*-(Sticking|Doubly|Score).*",
        "test_evidence_of_an_unknown_batch_knows_its_number_of_samples": "Bernoulli|StudentT|Warped|Columns",
        "test_mixed_precision_keeps_densities_float32": "likelihood-.*|prior-VampPrior|posterior-FullNormal",
    },
    "test_likelihood_adapt.py": {"test_adapt_to_constant_data_is_clipped": "(?!DiscretizedLogisticMixture).*"},
    "test_likelihood_models.py": {"test_model_trains_scores_saves_and_exports": "Bernoulli"},
    "test_likelihoods.py": {
        "test_declarations_are_true": "(?!.*NegativeBinomial).*",
        "test_hard_points_are_finite_and_xla_is_eager": "(?!StudentT|ZeroInflated|.*Binomial-Predicted).*",
    },
    "test_networks.py": {
        "test_a_model_learns_is_saved_and_serves": "conv-sequence-.*",
    },
    "test_observed.py": {
        "test_every_way_takes_the_dict_and_todays_form_to_the_same_weights": "arrays-all-dict|"
        "(stream|PyDataset|generator)-x-as today",
        "test_steps_of_ones_own_see_what_was_given": "(x|weights)-|all-first aid",
    },
    "test_one_copy.py": {"test_a_gpu_without_the_tools_of_xla_trains_without_it": "InternalError"},
    "test_plotting_latents.py": {"test_a_traversal_of_one_hot_vectors_goes_through_the_categories": "one-hot"},
    "test_plotting_tables.py": {
        "test_least_and_most_likely_examples_carry_their_row": "shape0",
        "test_names_of_classes_do_not_cover_each_other": "{}-0.0-2|class number {}-(3.0-5|0.0-10)|of.*-0.1-10",
    },
    "test_progress.py": {"test_it_costs_no_program_and_no_note": "True"},
    "test_recipes.py": {
        "test_penalties_of_a_batch_do_not_need_its_size_beforehand": "beta-tcvae|factor-vae",
        "test_a_recipe_that_leaves_the_likelihood_open_takes_another": "vae|m2|ladder|conditional|vimco|factor-vae",
        "test_a_recipe_that_leaves_the_objective_open_takes_another": "vae|counts|tabular|two-layer|iaf",
        "test_each_trains_scores_saves_and_loads": "vae|counts|geco",
        "test_the_signature_says_what_a_recipe_takes": "vae|tabular",
        "test_each_is_told_a_condition_or_says_that_it_cannot_be": "vae|counts|flow-prior|conditional",
    },
    "test_reproduce.py": {
        "test_networks_are_the_papers": "iwae-5|vae-784-400-40|vamp-500|gated-normal|hyperspherical-11"
    },
    "test_requests.py": {
        "test_a_third_number_of_rows_makes_no_graph": "encode|log_prob|sample",
        "test_another_number_of_samples_makes_no_graph": "7|60",
        "test_numbers_are_those_without_a_graph": "encode|predict|log_prob|sample",
        "test_the_elbo_is_differentiated_in_a_step_of_ones_own": "True",
        "test_one_code_for_each_example_and_several_take_turns": "<lambda>0",
    },
    "test_resident.py": {
        "test_arrays_train_as_the_same_batches_of_a_stream_do": "x-False-3",
        "test_validation_takes_the_rows_that_were_asked_for": "False-validation_data,validation_steps--1",
        "test_fit_within_a_scope_of_one_replica": "scope1",
    },
    "test_resident_programs.py": {"test_values_of_arrays_are_checked_before_training_alone": "False"},
    "test_resume.py": {
        "test_interrupted_and_resumed_equals_uninterrupted": "early stopping-3-end",
        "test_a_damaged_checkpoint_is_never_taken": "changed",
    },
    "test_run_folder.py": {
        "test_data_that_changed_since_the_training_are_not_scored": "a value|labels",
        "test_figures_that_cannot_be_read_are_scored_again_without_a_seal_too": "PK.*-scores.npz",
        "test_what_only_training_makes_is_refused_by_name": "model.keras-cut|(alarms.json|history.csv)-a folder",
    },
    "test_save_and_serve.py": {
        "test_every_combination_loads_as_it_was_saved": "predicted scale|binarised|dequantised|steps",
        "test_a_process_without_tfvae_gets_the_models_answers": "predicted scale-1",
        "test_another_process_goes_on_bit_equally": "float32-.*",
    },
    "test_scaling.py": {"test_the_first_fit_sets_it_once": "dict"},
    "test_simulator.py": {
        "test_first_aid_names_the_simulator_the_latents_and_the_way_out": "division by zero|growth|slope.*",
    },
    "test_tables_runs.py": {"test_killed_and_given_again_it_ends_with_the_same_file": "score"},
    "test_spherical.py": {
        "test_von_mises_fisher_agrees_with_bessel_functions": "2|50",
        "test_power_spherical_is_tfps": "2|20",
    },
    "test_temperature.py": {
        "test_a_schedule_is_what_a_callback_would_set_and_evaluation_takes_its_end": "False",
    },
    "test_training.py": {
        "test_fit_and_evaluate_log_what_numpy_computes": "IWAE.*",
        "test_logs_are_the_same_whichever_estimator_drives_the_gradient": "False",
    },
    "test_units.py": {
        "test_columns_in_other_units_are_named_before_training_and_adapt_is_the_cure": "ratio",
        "test_data_whose_units_are_known_are_not_talked_about": "Bernoulli|NegativeBinomial",
        "test_a_loss_that_is_not_finite_is_said_once_with_the_cure_of_units": "eager",
    },
    "test_weighted.py": {"test_the_weights_are_those_of_log_prob": "condition"},
    "test_windows.py": {"test_weights_and_history_are_those_of_the_batches_as_a_stream": "x|mask"},
}


def parted(name: str) -> tuple[str, str, str]:
    """Returns file, test and case of a name `folder/file::test[case]`."""
    file, test, case = re.fullmatch(r"(?:.*/)?([^/]+\.py)::(.*?)(?:\[(.*)\])?", name, re.DOTALL).groups(default="")
    return file, test, case


def is_slow(name: str) -> bool:
    """Tells whether the default run leaves out a case."""
    file, test, case = parted(name)
    pattern = STAY.get(file, {}).get(test)
    return pattern is not None and not re.fullmatch(pattern, case, re.DOTALL)


def useless(names: Iterable[str]) -> list[str]:
    """Returns the tests of the list, of the files that these names are of, that keep all of their cases, or none."""
    slow: dict[str, dict[str, set[bool]]] = {}
    for name in names:
        file, test, _ = parted(name)
        slow.setdefault(file, {}).setdefault(test, set()).add(is_slow(name))
    return [f"{file}::{test}" for file in slow for test in STAY.get(file, {}) if len(slow[file].get(test, ())) < 2]

"""Cases that the default run leaves out, since others of the same test stay in it; `pytest -m slow` runs them.

A test that is slow as a whole carries the marker itself. Each pattern is one of pytest's names: `file::test[case]`.
"""

import re

SLOW = (
    r"joint_combinations.py::test_what_makes_sense_trains_and_the_rest_is_refused\[(?!(DiagonalNormal|Categorical))",
    r"joint.py::test_the_mean_gradient_is_the_pathwise_one\[(Renyi|ELBO|IWAE\(num_samples=3\))",
    r"joint.py::test_(one_draw_serves_both_sides_of_an_objective|log_prob_is_within_its_error)\[topdown\]",
    r"joint.py::test_sticking_the_landing_is_silent_at_the_exact_posterior\[topdown\]",
    r"joint_doors.py::test_a_file_and_a_served_model_say_the_same\[bottomup\]",
    r"recipes.py::test_each_trains_scores_saves_and_loads\[(?!(vae|piwae|dreg|vimco|power-spherical|coupling-prior|"
    r"vamp-prior|factor-vae|geco|counts|tabular|relaxed-categorical)\])",
    r"recipes.py::test_the_signature_says_what_a_recipe_takes\[(?!(vae|iwae|beta-vae|vamp-prior|geco|tabular|counts)\])",
    r"recipes.py::test_a_recipe_runs_from_the_command_line_and_resumes\[counts\]",
    r"latents.py::test_xla_step_with_unknown_batch_size\[(Flow-Spline|Flow-InverseAutoregressive|VonMisesFisher)\]",
    r"likelihood_models.py::test_model_trains_scores_saves_and_exports\[(StudentT|DiscretizedLogisticMixture|Laplace|"
    r"ContinuousBernoulli|Poisson|DiscretizedLogistic|Normal)\]",
    r"likelihoods.py::test_hard_points_are_finite_and_xla_is_eager\[(ZeroInflated|NegativeBinomial|StudentT).*-Predicted\]",
    r"test_cli.*::test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_space\[300\]",
    r"resident.py::test_arrays_train_as_the_same_batches_of_a_stream_do\[(bytes-False|bytes-True-1|weight-True|"
    r"weight-False-1|denoising-False|denoising-True-3|x-True-3|x-False-1)",
    r"resident.py::test_validation_takes_the_rows_that_were_asked_for\[True-",
    r"resident.py::test_a_variable_is_an_array_too\[Variable1\]",
    r"observed.py::test_validation_evaluation_and_prediction_take_both\[(x-as today|x and target|all-dict)",
    r"resume.py::test_interrupted_and_resumed_equals_uninterrupted\[(rate by epoch|stopped early|none-[25]|plateau-4)",
    r"first_aid.py::test_a_healthy_run_is_the_same_with_first_aid\[options1\]",
    r"first_aid.py::test_a_healthy_run_with_batchnorm_and_dropout_is_the_same_with_first_aid\[validation1\]",
    r"scaling.py::test_the_first_fit_sets_it_once\[(generator|PyDataset|array)\]",
    r"training.py::test_logs_are_the_same_whichever_estimator_drives_the_gradient\[True\]",
    r"generation.py::test_classifier_test_has_the_right_size\[logistic\]",
    r"cli_refusals.py::test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_space\[(?!8\])",
    r"collapse_alarm_runs.py::test_collapse_raises_the_alarm.*does_not\[(digits, 50 units|chains, indep)",
    r"annealed.py::test_any_part_with_real_latents\[(?!FullNormal)",
    r"combinations.py::test_sample_of_combinations.*exports\[(LowRankNormal-Flow-Spline|Flow-Spline-V)",
    r"resident.py::test_arrays_train_as_the_same_batches_of_a_stream_do\[(bytes-True-3|weight-False-3)",
    r"observed.py::test_every_way_takes_the_dict_and_todays_form_to_the_same_weights\[.*(x and target|-all-as today)",
    r"flows.py::test_density_integrates_to_one_and_agrees_with_samples\[(Chain|InverseAutoregressive-spline)",
    r"run_folder.py::test_what_only_training_makes_is_refused_by_name\[(alarms.json|history.csv)-(?!a folder)",
    r"combinations.py::test_sample_of_combinations.*exports\[(PowerSpherical|Flow-InverseAutoregressive)",
    r"bad_input.py::test_a_stream_that_goes_bad_is_refused_at_the_end_of_its_block\[False-1\]",
    r"resident.py::test_values_of_arrays_are_checked_before_training_alone\[True\]",
    r"resident.py::test_arrays_train_as_the_same_batches_of_a_stream_do\[denoising-True-1",
    r"flows.py::test_implicit_gradient_is_that_of_the_unrolled_search\[spline\]",
    r"resume.py::test_interrupted_and_resumed_equals_uninterrupted\[own-3-batch",
    r"conditions.py::test_parts_of_every_kind_are_told\[(full posterior|an own prior|IWAE)",
    r"conditions.py::test_what_stands_under_the_mask_is_never_seen\[(inf|-1e)",
    r"conditions.py::test_every_method_takes_arguments_or_one_dict\[masked",
    r"conditions.py::test_what_stands_under_the_mask_is_never_seen\[0.5",
    r"conditions.py::test_(files_and_signatures_say_what|arrays_streams_and_batches_train).*\[(masked|conditional)\]",
    r"latents.py::test_declared_capabilities_hold\[prior Flow-RealNVP\]",
    r"missing_data.py::test_a_run_of_complete_data",
    r"labels.py::test_labels_come_whichever_way_with_the_same_numbers\[(a PyDataset|words|batches)\]",
    r"labels.py::test_what_is_wrong_with_labels_is_said\[a later batch",
    r"enumerated.py::test_the_mean_gradient_is_the_pathwise_one\[.*(StickingTheLanding|'label first'-M?IWAE)",
    r"enumerated.py::test_bound_and_gradient_are_those_of_a_sum_by_hand\[(CIWAE|Renyi-1)-no labels",
    r"enumerated_evaluation.py::.*resume",
    r"masks_likelihoods.py::.*\[(StudentT|Laplace|ContinuousBernoulli|DiscretizedLogistic\b)",
    r"distribution.py::test_two_workers_take_the_steps_of_one_device",
    r"missing_data.py::test_a_run_with_missing_cells_says",
    r"test_scaling.py::test_file_and_served_model_have_it",
    r"test_cli.py::test_(what_is_missing_is_made_in_order_by_its_maker|config_is_enough_to_repeat_the_run)",
    r"combinations.py::test_sample_of_combinations.*\[(Flow-RealNVP|LogitNormal|FullNormal|LogNormal)",
    r"test_labels.py::test_files_and_signatures_say_what_the_model_says",
    r"recipes.py::test_a_recipe_runs_from_the_command_line_and_resumes\[beta-tcvae\]",
    r"resume.py::test_(a_damaged_checkpoint_is_never_taken\[missing|interrupted.*\[plateau-2-batch)",
    r"first_aid.py::test_(the_scales_of_the_package_have_floors|a_healthy_run_is_the_same_with_first_aid\[options0)",
    r"cli_words.py::test_patience_takes_the_best_weights",
    r"joint_evaluation.py::test_(a_dead_latent_has_no_rate|both_bounds_of_annealing|upwards_it_is_the_lowest)",
    r"joint_doors.py::test_(a_term_takes_the_latent|a_file_and_a_served_model_say_the_same)",
    r"test_training.py::test_fit_and_evaluate_log_what_numpy_computes\[ELBO\(beta=3",
    r"likelihood_models.py::test_model_trains_scores_saves_and_exports\[(Categorical|ZeroInflated)",
    r"resident_programs.py::test_(convolutions_go_through_xla|arrays_and_streams_see_the_same_noise)",
    r"collapse_alarm.*::test_(a_resumed_run_has_the_alarms|collapse_raises_the_alarm.*chains)",
    r"conditions.py::test_(arrays_streams_and_batches|files_and_signatures).*\[both",
    r"test_joint.py::test_the_mean_gradient_is_the_pathwise_one\[IWAE\(num_samples=4\)-Doubly.*topdown",
    r"known_doors.py::test_a_sparse_matrix_keeps_what_is_beside_it\[(one mask|condition)",
    r"generation.py::test_classifier_test_has_the_right_size\[neighbours",
    r"enumerated_evaluation.py::test_a_score_does_not_depend_on_labels\[anomaly",
    r"units.py::test_a_healthy_fit_says_nothing",
    r"units.py::test_one_scale_for_columns_of_many_units_is_named_though_adapted",
)


def is_slow(name: str) -> bool:
    """Tells whether the default run leaves out a test of this name."""
    return any(re.search(pattern, name) for pattern in SLOW)

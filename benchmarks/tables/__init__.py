"""Tables: anomalies, imputation of mixed columns, synthetic rows; each beside what people use today, in the same run."""

"""Tables: density, imputation of mixed columns, anomalies, synthetic rows, beside what people use, in the same run."""
